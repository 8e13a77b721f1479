"""Cut timed speech into lines and set their times, as people, players' editors and recognisers do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.annotate.style import Line

_CLAUSE_END = re.compile(r"[.,!?;:…。、，！？።፣،؟।]['\"”»」]*$")
_FRAMES_PER_S = (23.976, 24.0, 25.0, 29.97, 1000.0)  # what editors' clocks step in; 1000 is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A spoken word as a careful person writes it, its number also in digits; `is_last` ends its sentence."""

    start_ms: int
    end_ms: int
    text: str
    digits: str
    is_last: bool
    is_filler: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """What is said in a recording; `glue` stands between words: nothing in scripts without spaces."""

    words: tuple[Word, ...]
    glue: str

    def without_fillers(self) -> list[Word]:
        """Return the words a recogniser writes: it leaves hesitations out."""
        return [word for word in self.words if not word.is_filler]


Cut = list[list[Word]]
Times = Callable[[list[Word], int | None], tuple[int, int]]  # words of a line, start of the next


def by_sentence(words: Sequence[Word]) -> Cut:
    """Cut at the ends of sentences."""
    return _cut(words, lambda group, _: group[-1].is_last)


def by_clause(words: Sequence[Word], width: int, glue: str, first: float = 0.5) -> Cut:
    """Cut at the ends of sentences, at other marks once `first` of the line is full, and where it is full."""

    def is_break(group: list[Word], following: Word) -> bool:
        size = _size(group, glue)
        at_mark = bool(_CLAUSE_END.search(group[-1].text))
        return group[-1].is_last or (at_mark and size > first * width) or size + len(following.text) > width

    return _cut(words, is_break)


def by_width(words: Sequence[Word], width: int, glue: str) -> Cut:
    """Cut where the next word does not fit into a width in characters."""
    return _cut(words, lambda group, following: _size(group, glue) + len(following.text) > width)


def by_number(words: Sequence[Word], number: int) -> Cut:
    """Cut after a number of words."""
    return _cut(words, lambda group, _: len(group) >= number)


def by_pause(words: Sequence[Word], pause_ms: int) -> Cut:
    """Cut at pauses longer than this, and after 18 words."""
    return _cut(words, lambda group, after: after.start_ms - group[-1].end_ms > pause_ms or len(group) > 18)


def line_width(low: int, high: int, speech: Speech, rng: np.random.Generator) -> int:
    """Draw a line's width in characters; half of it where they are wide."""
    return int(rng.integers(low, high)) // (1 if speech.glue else 2)


def as_whisper(speech: Speech, rng: np.random.Generator) -> Cut:
    """Cut as Whisper does: at stops and pauses, its lines as long as what was said; or some sentences together."""
    words, way = speech.without_fillers(), rng.random()
    if way < 0.1:  # thirty seconds at a time, where it gave no times
        return _cut(words, lambda group, after: after.start_ms // 30_000 != group[-1].start_ms // 30_000)
    if way < 0.3:
        return by_sentence(words)
    if way < 0.7:
        return by_clause(words, line_width(40, 130, speech, rng), speech.glue, first=float(rng.uniform(0.2, 0.9)))
    width = line_width(60, 280, speech, rng)
    return _cut(words, lambda group, after: _size(group, speech.glue) + len(after.text) > width * rng.uniform(0.3, 1))


def _cut(words: Sequence[Word], is_break: Callable[[list[Word], Word], bool]) -> Cut:
    groups: Cut = []
    for word in words:
        if not groups or is_break(groups[-1], word):
            groups.append([])
        groups[-1].append(word)
    return groups


def _size(group: Sequence[Word], glue: str) -> int:
    return len(glue.join(word.text for word in group))


def lines_of(cut: Cut, glue: str, times: Times, use_digits: bool = False) -> list[Line]:
    """Write a cut as lines, numbers spelled or in digits."""
    lines: list[Line] = []
    for group, following in zip(cut, [*cut[1:], None], strict=True):
        start_ms, end_ms = times(group, following[0].start_ms if following else None)
        words = glue.join(word.digits if use_digits else word.text for word in group)
        lines.append(Line(start_ms=start_ms, end_ms=max(end_ms, start_ms + 1), text=words))
    return lines


def exact_times(group: list[Word], next_ms: int | None) -> tuple[int, int]:
    """Begin and end with the words."""
    del next_ms
    return group[0].start_ms, group[-1].end_ms


def touching_times(group: list[Word], next_ms: int | None) -> tuple[int, int]:
    """End each line where the next begins."""
    return group[0].start_ms, group[-1].end_ms if next_ms is None else next_ms


def chained_times(rng: np.random.Generator) -> Times:
    """End most lines where the next begins, as editors of players, aligners and Whisper do."""
    share = float(rng.choice([0.1, 0.4, 0.8, 0.95, 1.0]))

    def times(group: list[Word], next_ms: int | None) -> tuple[int, int]:
        end_ms = group[-1].end_ms
        return group[0].start_ms, next_ms if next_ms is not None and rng.random() < share else end_ms

    return times


def clock_ms(rng: np.random.Generator) -> int:
    """Draw what people's times are multiples of, in ms."""
    return int(rng.choice([1, 1, 10, 10, 10, 100]))


def _loose_times(rng: np.random.Generator) -> Times:
    """Set times by hand: a little early, held a little longer, never over the next line."""

    def times(group: list[Word], next_ms: int | None) -> tuple[int, int]:
        start_ms = max(0, group[0].start_ms - int(rng.integers(0, 120)))
        end_ms = group[-1].end_ms + int(rng.integers(0, 500))
        return start_ms, end_ms if next_ms is None else min(end_ms, max(start_ms, next_ms - 130))

    return times


def frame_times(rng: np.random.Generator) -> Times:
    """Set times on an editor's frames, two frames at least between lines."""
    frame_ms = 1000 / float(rng.choice(_FRAMES_PER_S))

    def times(group: list[Word], next_ms: int | None) -> tuple[int, int]:
        start_ms = int(round(group[0].start_ms / frame_ms) * frame_ms)
        end_ms = group[-1].end_ms + int(rng.integers(100, 900))
        end_ms = end_ms if next_ms is None else min(end_ms, next_ms - 84)
        return start_ms, int(round(end_ms / frame_ms) * frame_ms)

    return times


def human_times(rng: np.random.Generator) -> Times:
    """Set times as one person does: by hand mostly, or with an editor that snaps or closes the gaps."""
    return (_loose_times(rng), _loose_times(rng), frame_times(rng), exact_times, touching_times)[int(rng.integers(5))]
