"""Text laid where a model hears it: window by window, past what is not in the text, and not where it is not heard.

The model here knows the truth: a sample's value is its number, so a window says where it begins.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from pipeline.audio import Samples
from pipeline.errors import UserError
from pipeline.segment.align import place
from pipeline.segment.cue import Caption, Cue
from pipeline.segment.heard import ByEar, Placed, Sound, lay
from pipeline.segment.retime import RetimeOptions, retime
from pipeline.segment.stage import SegmentConfig, segment_stage

MAX_MS = 30_000
# Lengths that say nothing of the time a sentence takes: proportion would lay them wrong.
LINES = tuple(f"{name * (1 + at % 5)} is named." for at, name in enumerate(["oak", "elm", "ash", "fir", "yew"] * 6))
TEXTS = tuple(f"Number {at}: {line}" for at, line in enumerate(LINES))
TRUTH = tuple((500 + 4000 * at, 500 + 4000 * at + 1000 + 450 * (at * 7 % 6)) for at in range(len(TEXTS)))
END_MS = TRUTH[-1][1]


@dataclass(frozen=True)
class Knowing:
    """It finds what is said in a window, also what the window cuts off; the rest has no time and is unlikely.

    The last text takes what is left of the window, as it does for a model that has to spend all of its attention.
    """

    truth: Mapping[str, tuple[int, int]]
    most: int = 100

    def identity(self) -> Mapping[str, str]:
        return {"name": "knowing"}

    def knows(self, lang: str) -> bool:
        return lang == "en"

    def reach_ms(self) -> int:
        return MAX_MS

    def place(self, window: Samples, texts: Sequence[str], lang: str) -> list[Placed]:
        first_ms, size_ms = round(float(window[0])) // 16, len(window) // 16
        assert size_ms <= MAX_MS and lang == "en"
        found: list[Placed] = []
        last_ms = 0
        for text in texts[: self.most]:
            start, end = (time - first_ms for time in self.truth.get(text, (-1, -1)))
            is_begun = 0 <= start < size_ms
            found.append((start, min(end, size_ms), 0.9) if is_begun else (last_ms, last_ms, 0.1))
            last_ms = found[-1][1]
        start, end, prob = found[-1]
        return [*found[:-1], (start, max(end, size_ms - 600), prob) if end + 2000 < size_ms else found[-1]]


KNOWING = Knowing(dict(zip(TEXTS, TRUTH, strict=True)))
SOUND = Sound(samples=np.arange((END_MS + 1000) * 16, dtype=np.float32), speech_ms=TRUTH, lang="en")


def times(cues: Sequence[Cue]) -> list[tuple[int, int, str]]:
    return [(cue.start_ms, cue.end_ms, cue.text) for cue in cues]


def right(*numbers: int) -> list[tuple[int, int, str]]:
    return [(*TRUTH[at], TEXTS[at]) for at in numbers]


def test_every_sentence_lies_where_it_is_said_over_many_windows() -> None:
    cues = lay(" ".join(TEXTS), SOUND, ByEar(aligner=KNOWING), MAX_MS)
    assert times(cues) == right(*range(30))
    assert min(cue.confidence or 0 for cue in cues) > 0.99 and END_MS > 3 * MAX_MS


def test_a_model_that_reads_little_at_once_gets_there_too() -> None:
    cues = lay(" ".join(TEXTS), SOUND, ByEar(aligner=replace(KNOWING, most=3)), MAX_MS)
    assert times(cues) == right(*range(30))


@pytest.mark.parametrize("after", [10, 13, 15, 16, 19, 22])
def test_speech_that_is_not_in_the_text_is_passed_by(after: int) -> None:
    kept = [*range(8), *range(after, 30)]
    cues = lay(" ".join(TEXTS[at] for at in kept), SOUND, ByEar(aligner=KNOWING), MAX_MS)
    assert times(cues) == right(*kept)


def test_a_sentence_in_doubt_between_sure_ones_keeps_its_doubt() -> None:
    doubted = Knowing({**KNOWING.truth, TEXTS[2]: (-1, -1)})
    cues = lay(" ".join(TEXTS), SOUND, ByEar(aligner=doubted), MAX_MS)
    assert (cues[2].confidence or 1) < 0.01 and times(cues[3:]) == right(*range(3, 30))


def test_coarse_ends_are_moved_to_the_pauses_they_are_near() -> None:
    rng = np.random.default_rng(0)
    coarse = {text: (start + int(rng.integers(-400, 400)), end + int(rng.integers(-400, 400)))
              for text, (start, end) in KNOWING.truth.items()}  # fmt: skip
    cues = lay(" ".join(TEXTS), SOUND, ByEar(aligner=Knowing(coarse)), MAX_MS)
    assert times(cues) == right(*range(30))
    far = {
        text: (start + 900, end - 900) if text == TEXTS[5] else (start, end) for text, (start, end) in coarse.items()
    }
    cues = lay(" ".join(TEXTS), SOUND, ByEar(aligner=Knowing(far)), MAX_MS)
    assert all(one.end_ms <= other.start_ms for one, other in itertools.pairwise(cues))


def test_a_word_alone_is_as_sure_as_what_stands_beside_it() -> None:
    texts, times_ms = (*TEXTS[:4], "Two.", *TEXTS[4:]), (*TRUTH[:4], (TRUTH[3][1] + 50, TRUTH[3][1] + 300), *TRUTH[4:])
    sound = replace(SOUND, speech_ms=times_ms)

    class Unsure(Knowing):
        def place(self, window: Samples, texts: Sequence[str], lang: str) -> list[Placed]:
            found = super().place(window, texts, lang)
            return [(*spot[:2], 0.01 if text == "Two." else spot[2]) for text, spot in zip(texts, found, strict=False)]

    unsure = Unsure(dict(zip(texts, times_ms, strict=True)))
    cues = lay(" ".join(texts), sound, ByEar(aligner=unsure), MAX_MS)
    assert cues[4].text == "Two." and (cues[4].confidence or 0) > 0.9


def test_an_end_that_is_not_found_is_laid_by_its_length() -> None:
    said = Knowing({text: KNOWING.truth[text] for text in TEXTS[:26]})
    cues = lay(" ".join(TEXTS), SOUND, ByEar(aligner=said), MAX_MS)
    assert times(cues[:26]) == right(*range(26))
    assert " ".join(cue.text for cue in cues) == " ".join(TEXTS)
    assert all(cue.start_ms >= TRUTH[25][1] for cue in cues[26:])


@pytest.mark.parametrize(
    ("aligner", "lang"),
    [(Knowing({text: KNOWING.truth[text] for text in TEXTS[:8]}), "en"), (Knowing({}), "en"), (KNOWING, "sw")],
)
def test_text_that_is_hardly_heard_is_laid_by_its_length(aligner: Knowing, lang: str) -> None:
    caption = Caption(status="untimed", text="\n".join(TEXTS))
    options = RetimeOptions(untimed=True)
    sound = replace(SOUND, lang=lang)
    found, without = (
        retime(caption, END_MS + 1000, MAX_MS, lambda: sound, chosen)
        for chosen in (replace(options, by_ear=ByEar(aligner=aligner)), options)
    )
    assert found == without and found.alignment == "speech" and found.caption.cues


@pytest.mark.parametrize("sound", [replace(SOUND, speech_ms=()), replace(SOUND, lang=None)])
def test_without_speech_or_language_nothing_is_laid(sound: Sound) -> None:
    assert lay(" ".join(TEXTS), sound, ByEar(aligner=KNOWING), MAX_MS) == ()
    assert lay("♪♪", SOUND, ByEar(aligner=KNOWING), MAX_MS) == ()


def test_lengths_alone_would_not_tell_where_the_sentences_are() -> None:
    cues = place(" ".join(TEXTS), TRUTH, MAX_MS)
    assert len(set(times(cues)) & set(right(*range(30)))) < 15


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_a_probability_lies_between_zero_and_one(value: float) -> None:
    with pytest.raises(UserError, match="is no probability; expected above 0 to 1; mend by_ear"):
        ByEar(aligner=KNOWING, min_heard=value)


def test_untimed_text_says_that_it_was_heard() -> None:
    options = RetimeOptions(untimed=True, by_ear=ByEar(aligner=KNOWING))
    caption = Caption(status="untimed", text="\n".join(TEXTS))
    found = retime(caption, END_MS + 1000, MAX_MS, lambda: SOUND, options)
    assert (found.alignment, times(found.caption.cues)) == ("heard", right(*range(30)))


def test_a_cue_longer_than_a_window_is_cut_where_its_sentences_are_heard() -> None:
    whole = Cue(start_ms=TRUTH[4][0], end_ms=TRUTH[15][1], text=" ".join(TEXTS[4:16]), speaker="Ann")
    caption = Caption(status="ok", cues=(whole, Cue(start_ms=TRUTH[16][0], end_ms=TRUTH[16][1], text="next")))
    options = RetimeOptions(overlong=True, by_ear=ByEar(aligner=KNOWING))
    cues = retime(caption, END_MS + 1000, MAX_MS, lambda: SOUND, options).caption.cues
    assert times(cues[:-1]) == right(*range(4, 16)) and cues[-1] == caption.cues[-1]
    assert {cue.speaker for cue in cues[:-1]} == {"Ann"}


def test_who_hears_is_part_of_the_fingerprint() -> None:
    heard, plain = (
        segment_stage(SegmentConfig(retime=RetimeOptions(untimed=True, by_ear=by_ear))).outputs[0].config
        for by_ear in (ByEar(aligner=KNOWING), None)
    )
    assert heard == {**plain, "by_ear": {"aligner": {"name": "knowing"}, "min_heard": 0.5}}
