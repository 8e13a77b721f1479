"""Undo rolling captions: cues that show the lines before them again, as live and automatic captions do.

YouTube's WebVTT shows each line three times: as it is said, for 10 ms, and above the line that follows. Live captions
grow a line word by word. A caption whose cues merely repeat (a chorus, a recogniser's loop) is not rolling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.segment.cue import Cue, Draft

_NEAR_MS = 500  # a cue that repeats lines begins when the one before it ends
_MIN_PAIRS, _MIN_SHARE = 2, 0.2  # a human's captions carry a line over now and then
_MAX_LINES = 4  # shown at once


def is_rolling(cues: Sequence[Cue]) -> bool:
    """Tell whether cues, sorted and with their lines, keep showing old lines beside new ones."""
    pairs = zip(cues, cues[1:], strict=False)
    num_rolls = sum(0 < _num_old_words(before, after) < len(after.text.split()) for before, after in pairs)
    return num_rolls >= max(_MIN_PAIRS, _MIN_SHARE * len(cues))


def unroll(cues: Sequence[Cue]) -> list[Cue]:
    """Return each line once, from when it first appears; a cue that only repeats prolongs the line before it."""
    clean: list[Cue] = []
    for before, cue in zip([None, *cues], cues, strict=False):
        fresh = cue.text.split()[_num_old_words(before, cue) if before else 0 :]
        if fresh:
            clean.append(replace(cue, text=" ".join(fresh)))
        elif clean:
            clean[-1] = replace(clean[-1], end_ms=max(clean[-1].end_ms, cue.end_ms))
    return clean


def without_overlap(drafts: Sequence[Draft]) -> tuple[Draft, ...]:
    """End each cue when the next one with text starts: lines that stay on screen while others are said."""
    result: list[Draft] = []
    next_ms: int | None = None
    for draft in reversed(drafts):
        ends = [value for value in (draft.end_ms, next_ms) if value is not None]
        if draft.start_ms is not None and ends:
            draft = replace(draft, end_ms=max(draft.start_ms, min(ends)))
        if draft.text and draft.start_ms is not None:
            next_ms = draft.start_ms
        result.append(draft)
    return tuple(reversed(result))


def _num_old_words(before: Cue, cue: Cue) -> int:
    """Count the words at a cue's start that are the last lines of the cue before it."""
    if cue.start_ms - before.end_ms > _NEAR_MS:
        return 0
    words, lines = cue.text.split(), before.text.split("\n")[-_MAX_LINES:]
    for first in range(len(lines)):
        old = " ".join(lines[first:]).split()
        if words[: len(old)] == old:
            return len(old)
    return 0
