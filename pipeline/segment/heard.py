"""Give text without times its place in the speech by ear: a model reads it against the sound, window by window.

A window is read with a little more text than its speech should hold. What comes after the last sentence the model is
sure of is read again in the next window, which begins where that one ends; a window it is sure of nothing in is passed
by half. What attention says of where a sentence ends is coarse: its ends are moved to the pause that is nearest (of 136
real starts the median was 300 ms off in English and 480 in Spanish, 81 and 27 after that; OpenAI's base, 2026-11).

A cue's confidence is the probability that its text is said there, by the mean probability of its words, each given
those before, and of those beside it where it has few.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from pipeline.audio import SAMPLES_PER_MS, Samples
from pipeline.errors import UserError
from pipeline.segment.align import Spans, place, sentences, spoken_size
from pipeline.segment.cue import Cue

_MORE_TEXT = 1.3  # than the window should hold, at the pace of all that is left
_EDGE_MS = 500  # of a window: what ends there may go on, and text that is not said in it gathers there
_MARGIN_MS = 200  # of silence before speech
_REACH_MS = 600  # how far a sentence's end may be from the pause it belongs to
# Sentences of more than 15 letters, by OpenAI's base: 0.56 at least in nineteen of twenty that were said, 0.37 at most
# in those of other speech (2026-11). Between the two the probability that a sentence is said rises from 0.2 to 0.9.
_EVEN, _STEEP = 0.45, 20.0
_ENOUGH = 15  # letters that tell: a word alone may be said and not be heard

Placed = tuple[int, int, float]  # start and end in ms, mean probability of the words


class Aligner(Protocol):
    """A model that finds a given text in sound."""

    def identity(self) -> Mapping[str, Any]:
        """Return what its answers depend on, for the fingerprint."""
        ...

    def knows(self, lang: str) -> bool:
        """Tell whether it can read a language."""
        ...

    def reach_ms(self) -> int:
        """Return how much it hears at once, in ms."""
        ...

    def place(self, window: Samples, texts: Sequence[str], lang: str) -> list[Placed]:
        """Say when in the window each text is said, in order; of the first ones only where not all can be read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ByEar:
    """Who reads along, and from which mean probability on a sentence, or all of a text, is heard: `min_heard`."""

    aligner: Aligner
    min_heard: float = 0.5

    def __post_init__(self) -> None:
        """Refuse a probability that is none."""
        if not 0 < self.min_heard <= 1:
            raise UserError(f"min_heard {self.min_heard} is no probability; expected above 0 to 1; mend by_ear")

    def identity(self) -> Mapping[str, Any]:
        """Return what the places depend on, for the fingerprint."""
        return {"aligner": dict(self.aligner.identity()), "min_heard": self.min_heard}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A recording's samples, where in it there is speech, and the language declared for it."""

    samples: Samples
    speech_ms: Spans
    lang: str | None = None


def lay(written: str, sound: Sound, by: ByEar, max_ms: int) -> tuple[Cue, ...]:
    """Lay a text over speech in cues of at most `max_ms`; nothing where its mean probability is too low.

    Sentences at the end of the text that the model does not find are laid by their length over the speech that is left.
    """
    units = list(sentences(written))
    if not units or not sound.speech_ms or sound.lang is None or not by.aligner.knows(sound.lang):
        return ()
    cues = _heard(units, sound, by, min(by.aligner.reach_ms(), max_ms))
    sizes = np.array([spoken_size(unit) for unit in units], dtype=np.float64)
    heard = sum(size * (cue.confidence or 0.0) for size, cue in zip(sizes, cues, strict=False)) / sizes.sum()
    if heard < by.min_heard:
        return ()
    cues = _confident(_at_pauses(cues, sound.speech_ms))
    left = _after(sound.speech_ms, cues[-1].end_ms)
    return (*cues, *place(" ".join(units[len(cues) :]), left, max_ms))


def _heard(units: Sequence[str], sound: Sound, by: ByEar, reach_ms: int) -> list[Cue]:
    """Return cues of the first sentences, as many as are found."""
    cues: list[Cue] = []
    now_ms, end_ms = sound.speech_ms[0][0], sound.speech_ms[-1][1]
    while len(cues) < len(units) and (left := _after(sound.speech_ms, now_ms)):
        start_ms = max(now_ms, left[0][0] - _MARGIN_MS)
        stop_ms = min(start_ms + reach_ms, end_ms)
        asked = _asked(units[len(cues) :], left, stop_ms)
        window = sound.samples[start_ms * SAMPLES_PER_MS : stop_ms * SAMPLES_PER_MS]
        found = by.aligner.place(window, asked, sound.lang or "")
        is_last = len(cues) + len(found) == len(units)
        until_ms = stop_ms - start_ms - (0 if stop_ms == end_ms else _EDGE_MS)
        num = _num_sure(found if is_last else found[:-1], until_ms, by.min_heard)
        cues += [
            Cue(start_ms=start_ms + start, end_ms=start_ms + end, text=unit, confidence=prob)
            for unit, (start, end, prob) in zip(asked[:num], found, strict=False)
        ]
        if not num and stop_ms == end_ms:
            break
        now_ms = max(cues[-1].end_ms, start_ms + 1) if num else (start_ms + stop_ms + 1) // 2
    return cues


def _at_pauses(cues: Sequence[Cue], speech_ms: Spans) -> list[Cue]:
    """Move the ends of sentences to the pauses they are near."""
    times = [cues[0].start_ms, *(time for cue in cues for time in (cue.start_ms, cue.end_ms)), cues[-1].end_ms]
    moved = [_pause(end, start, speech_ms) for end, start in zip(times[::2], times[1::2], strict=True)]
    return [_between(*between) for between in zip(cues, moved[:-1], moved[1:], strict=True)]


def _pause(end_ms: int, start_ms: int, speech_ms: Spans) -> tuple[int, int]:
    """Return the pause near the end of one sentence and the start of the next; two, where there is speech between."""
    starts, ends = [start for start, _ in speech_ms], [end for _, end in speech_ms]
    between_ms = sum(max(0, min(end, start_ms) - max(start, end_ms)) for start, end in speech_ms)
    if between_ms > _REACH_MS:
        return _near(end_ms, ends), _near(start_ms, starts)
    pauses = [*zip([0, *ends], [*starts, ends[-1]], strict=True)]
    away, _, near = min((max(0, one[0] - start_ms, end_ms - one[1]), one[0] - one[1], one) for one in pauses)
    return near if away <= _REACH_MS else (end_ms, start_ms)


def _near(time_ms: int, edges_ms: Sequence[int]) -> int:
    nearest = min(edges_ms, key=lambda edge: abs(edge - time_ms))
    return nearest if abs(nearest - time_ms) <= _REACH_MS else time_ms


def _between(cue: Cue, before: tuple[int, int], after: tuple[int, int]) -> Cue:
    """Let a cue fill the time between two pauses; one that has no time between them stays where it is."""
    if before[1] < after[0]:
        return replace(cue, start_ms=before[1], end_ms=after[0])
    start_ms = max(cue.start_ms, before[0])
    return replace(cue, start_ms=start_ms, end_ms=max(start_ms, min(cue.end_ms, after[1])))


def _confident(cues: Sequence[Cue]) -> list[Cue]:
    """Turn the mean probabilities of words into that of the text being said."""
    sizes = np.array([spoken_size(cue.text) for cue in cues], dtype=np.float64)
    probs = np.array([cue.confidence or 0.0 for cue in cues])
    found: list[Cue] = []
    for at, cue in enumerate(cues):
        first, last = at, at + 1
        while sizes[first:last].sum() < _ENOUGH and last - first < len(cues):
            first, last = max(0, first - 1), min(len(cues), last + 1)
        heard = float(np.average(probs[first:last], weights=sizes[first:last]))
        found.append(replace(cue, confidence=1 / (1 + math.exp(_STEEP * (_EVEN - heard)))))
    return found


def _asked(units: Sequence[str], left: Spans, stop_ms: int) -> Sequence[str]:
    """Return the sentences that the speech before `stop_ms` may hold, and one more."""
    spoken_ms = sum(end - start for start, end in left)
    inside_ms = sum(max(0, min(end, stop_ms) - start) for start, end in left)
    sizes = np.cumsum([spoken_size(unit) for unit in units])
    return units[: int(np.searchsorted(sizes, _MORE_TEXT * inside_ms / spoken_ms * sizes[-1])) + 2]


def _num_sure(found: Sequence[Placed], until_ms: int, min_heard: float) -> int:
    """Return the number of sentences up to the last one that is surely heard and wholly before `until_ms`."""
    sure = [at + 1 for at, (_, end, prob) in enumerate(found) if prob >= min_heard and end <= until_ms]
    return max(sure, default=0)


def _after(speech_ms: Spans, now_ms: int) -> Spans:
    return [(max(start, now_ms), end) for start, end in speech_ms if end > now_ms]
