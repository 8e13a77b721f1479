"""Times from the sound: planted shifts undone, long cues cut, untimed text laid down; nothing unless asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.segment.cue import Caption, Cue
from pipeline.segment.heard import Sound
from pipeline.segment.retime import Retimed, RetimeOptions, retime

# Sentences of 1 to 4 s with pauses of 0.4 to 3 s.
_RNG = np.random.default_rng(4)
_EDGES = np.cumsum(np.stack([_RNG.integers(400, 3000, 20), _RNG.integers(1000, 4000, 20)], axis=1).reshape(-1))
SPEECH = [(int(start), int(end)) for start, end in _EDGES.reshape(-1, 2)]
TEXTS = [chr(97 + at) * ((end - start) // 67) + "." for at, (start, end) in enumerate(SPEECH)]
CUES = tuple(Cue(start_ms=start, end_ms=end, text=words) for (start, end), words in zip(SPEECH, TEXTS, strict=True))
DURATION_MS = SPEECH[-1][1] + 500
ALL = RetimeOptions(untimed=True, overlong=True, shifted=True, stretched=True)
TIMED = Caption(status="ok", cues=CUES)


def never() -> Sound | None:
    raise AssertionError("sound is heard that nobody asked for")


def run(caption: Caption, options: RetimeOptions, speech: Sequence[tuple[int, int]] | None = SPEECH) -> Retimed:
    sound = None if speech is None else Sound(samples=np.zeros(0, np.float32), speech_ms=speech)
    return retime(caption, DURATION_MS, 30_000, lambda: sound, options)


def moved(by_ms: int) -> Caption:
    cues = [replace(cue, start_ms=max(0, cue.start_ms + by_ms), end_ms=cue.end_ms + by_ms) for cue in CUES]
    return replace(TIMED, cues=tuple(cue for cue in cues if cue.end_ms > 0))


@pytest.mark.parametrize("by_ms", [-5000, -1000, 600, 3000, 12_000])
def test_a_planted_shift_is_undone_and_told(by_ms: int) -> None:
    found = run(moved(by_ms), ALL)
    assert found.shift_ms is not None and abs(found.shift_ms + by_ms) <= 40
    right = {cue.text: cue for cue in CUES[5:]}
    assert all(abs(cue.start_ms - right[cue.text].start_ms) <= 40 for cue in found.caption.cues if cue.text in right)


@pytest.mark.parametrize("by_ms", [0, 100])
def test_what_lies_on_its_speech_stays(by_ms: int) -> None:
    found = run(moved(by_ms), ALL)
    assert (found.shift_ms, found.caption.cues) == (0, moved(by_ms).cues)


@pytest.mark.parametrize("rate", [24 / 25, 25 / 24, 1.01, 0.99])
@pytest.mark.parametrize("by_ms", [0, 2500])
def test_captions_of_another_clock_are_set_to_the_sounds(rate: float, by_ms: int) -> None:
    late = tuple(
        replace(cue, start_ms=round(cue.start_ms * rate) + by_ms, end_ms=round(cue.end_ms * rate) + by_ms)
        for cue in CUES
    )
    found = run(replace(TIMED, cues=late), ALL)
    assert found.alignment == "stretched"
    assert max(abs(one.start_ms - cue.start_ms) for one, cue in zip(found.caption.cues, CUES, strict=True)) <= 60
    only_moved = run(replace(TIMED, cues=late), replace(ALL, stretched=False))
    assert only_moved.alignment == "cues"


def test_a_shift_is_not_guessed() -> None:
    noise = [(at, at + 300) for at in range(0, DURATION_MS, 700)]
    assert run(moved(3000), ALL, noise).shift_ms == 0
    assert run(moved(3000), ALL, None).shift_ms == 0


def test_cues_moved_before_the_beginning_are_counted_as_lost() -> None:
    early = Caption(status="ok", cues=(Cue(start_ms=0, end_ms=100, text="early"), *moved(3000).cues))
    assert run(early, ALL).caption.num_lost == 1


def test_a_cue_longer_than_a_window_is_cut_between_its_sentences() -> None:
    whole = Cue(start_ms=SPEECH[0][0], end_ms=SPEECH[9][1], text=" ".join(TEXTS[:10]))
    found = run(Caption(status="ok", cues=(whole, *CUES[10:])), ALL)
    pieces = [cue for cue in found.caption.cues if cue.confidence is not None]
    assert whole.end_ms - whole.start_ms > 30_000 and len(pieces) > 4
    assert " ".join(cue.text for cue in pieces) == whole.text
    assert max(cue.end_ms - cue.start_ms for cue in pieces) <= 30_000
    assert found.caption.cues[-10:] == CUES[10:]


def test_a_long_cue_without_speech_stays_as_it_is() -> None:
    whole = Cue(start_ms=0, end_ms=60_000, text=" ".join(TEXTS[:10]))
    caption = Caption(status="ok", cues=(whole,))
    assert run(caption, ALL, []).caption.cues == run(caption, ALL, None).caption.cues == (whole,)


def test_text_without_times_is_laid_over_the_speech() -> None:
    caption = Caption(status="untimed", text="\n".join(TEXTS))
    found = run(caption, ALL)
    assert (found.alignment, found.shift_ms) == ("speech", None)
    right = {(cue.start_ms, cue.end_ms, cue.text) for cue in CUES}
    assert sum((cue.start_ms, cue.end_ms, cue.text) in right for cue in found.caption.cues) >= 10
    assert run(caption, ALL, None).alignment == "none"


def test_a_recording_of_one_window_needs_no_sound() -> None:
    caption = Caption(status="untimed", text="Rain.\nSun.")
    found = retime(caption, 9000, 30_000, never, ALL)
    assert (found.alignment, [(cue.end_ms, cue.text) for cue in found.caption.cues]) == (
        "whole",
        [(9000, "Rain. Sun.")],
    )


@pytest.mark.parametrize(
    "caption", [TIMED, moved(3000), Caption(status="untimed", text="Rain."), Caption(status="absent")]
)
def test_without_options_nothing_is_heard_or_changed(caption: Caption) -> None:
    found = retime(caption, DURATION_MS, 30_000, never, RetimeOptions())
    assert found.caption == caption
    assert found.shift_ms == (0 if caption.status == "ok" else None)


def test_timed_captions_without_long_cues_are_heard_only_for_shifts() -> None:
    assert retime(TIMED, DURATION_MS, 30_000, never, RetimeOptions(untimed=True, overlong=True)).caption == TIMED


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_a_correlation_lies_between_zero_and_one(value: float) -> None:
    with pytest.raises(UserError, match="is no correlation; expected above 0 to 1"):
        RetimeOptions(min_synced=value)
