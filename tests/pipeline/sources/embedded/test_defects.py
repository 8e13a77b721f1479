from __future__ import annotations

import numpy as np
import pytest

from pipeline.audio import SAMPLE_RATE, DecodeError, decode_bytes
from pipeline.sources.embedded import defects
from pipeline.sources.embedded.captions import Cue, write_captions
from pipeline.sources.embedded.defects import Edit
from pipeline.sources.embedded.labels import Spoken
from pipeline.sources.embedded.take import Take
from pipeline.text import repair

LINES = ("El número es dos, tres.", "Mañana esperamos lluvia.")


def take(lines: tuple[str, ...] = LINES) -> Take:
    t = np.arange(SAMPLE_RATE * 3) / SAMPLE_RATE
    times = [(200, 1_200), (1_700, 2_800)]
    return Take(
        samples=(0.3 * np.sin(2 * np.pi * 300 * t)).astype(np.float32),
        spoken=tuple(Spoken(start_ms=a, end_ms=b, text=x, english="") for (a, b), x in zip(times, lines, strict=True)),
        cues=tuple(Cue(start_ms=a, end_ms=b, text=x) for (a, b), x in zip(times, lines, strict=True)),
        audio_format="mp3",
        text_format="vtt",
    )


def edited(edit: Edit, lines: tuple[str, ...] = LINES) -> Take:
    return edit(take(lines), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("edit", "texts"),
    [
        (defects.unchanged, LINES),
        (defects.lower_case, ("el número es dos tres", "mañana esperamos lluvia")),
        (defects.upper_case, ("EL NÚMERO ES DOS TRES", "MAÑANA ESPERAMOS LLUVIA")),
        (defects.loop, (" ".join([LINES[0]] * 4),) * 2),
    ],
)
def test_defects_of_writing_change_the_words_and_not_the_clock(edit: Edit, texts: tuple[str, ...]) -> None:
    after = edited(edit)
    assert tuple(cue.text for cue in after.cues) == texts
    assert [(cue.start_ms, cue.end_ms) for cue in after.cues] == [(200, 1_200), (1_700, 2_800)]
    assert after.spoken == take().spoken


@pytest.mark.parametrize("lines", [LINES, ("ዛሬ ደመና እና ዝናብ እንጠብቃለን።", "ሆቴሉ ነገ ይዘጋል።")])
def test_mojibake_is_damage_that_can_be_mended(lines: tuple[str, ...]) -> None:
    good = write_captions(take(lines).cues, "vtt")
    damaged = edited(defects.mojibake, lines).caption_bytes().decode()
    assert damaged != good and len(damaged.splitlines()) == len(good.splitlines())
    assert [repair(line) for line in damaged.splitlines()] == good.splitlines()


def test_captions_that_outrun_the_audio_end_after_it() -> None:
    after = edited(defects.outrun)
    assert after.cues[-1].end_ms > after.duration_ms + 1_000 and after.cues[0].start_ms < after.duration_ms


@pytest.mark.parametrize(("edit", "rms_db"), [(defects.silence, -80), (defects.noise_empty_captions, -40)])
def test_tracks_without_speech_have_their_level_and_say_nothing(edit: Edit, rms_db: float) -> None:
    after = edited(edit)
    assert 20 * np.log10(np.sqrt(np.mean(after.samples**2))) == pytest.approx(rms_db, abs=0.5)
    assert after.spoken == () and len(after.samples) == len(take().samples)


def test_only_silence_keeps_its_captions() -> None:
    assert edited(defects.silence).cues and not edited(defects.noise_empty_captions).cues


@pytest.mark.parametrize(
    ("edit", "is_linked", "is_published"),
    [
        (defects.noise_empty_captions, True, True),
        (defects.noise_no_captions, False, False),
        (defects.missing_captions, True, False),
    ],
)
def test_captions_are_empty_absent_or_dead_links(edit: Edit, is_linked: bool, is_published: bool) -> None:
    after = edited(edit)
    assert (after.is_linked, after.is_published) == (is_linked, is_published)


@pytest.mark.parametrize(
    "edit", [defects.truncated_header, defects.random_bytes, defects.html_page, defects.empty_file]
)
def test_spoilt_audio_does_not_decode(edit: Edit) -> None:
    after = edited(edit)
    with pytest.raises(DecodeError):
        decode_bytes(after.audio_bytes(), max_duration_ms=10_000)
    assert after.duration_ms == 0 and after.spoken == ()


def test_a_reencoded_take_has_another_format_and_the_same_samples() -> None:
    after = edited(defects.reencoded)
    assert after.audio_format != "mp3" and np.array_equal(after.samples, take().samples)
    assert defects.reencoded(after, np.random.default_rng(0)).audio_format != after.audio_format
