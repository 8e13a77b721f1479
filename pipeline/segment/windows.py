"""Pack a recording's cues into windows of at most 30 s, and cut what has no cues into windows without text.

A cue is never cut and lies in exactly one window; windows are ordered and disjoint. The awkward cases:
- cues that overlap stay together; where they would fill more than a window, each ends when the next starts;
- a cue longer than a window, or running past the end of the audio, is cut off there: `cut_ms` says how much;
- a cue that starts after the audio has ended is in no window, and the caller counts it (`after_audio`).
Gaps too short for a window of their own (`min_gap_window_ms`) are in none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from pipeline.errors import UserError
from pipeline.segment.cue import Cue

MAX_MS = 30_000  # what the model hears at once (Whisper paper, section 2.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOptions:
    """How windows are cut."""

    max_ms: int = MAX_MS
    max_gap_ms: int = 2_000  # a pause as long as this between cues ends a window
    pad_ms: int = 200  # speech often starts before its cue and ends after it
    min_gap_window_ms: int = 5_000  # a stretch without cues as long as this gets windows without text

    def __post_init__(self) -> None:
        """Refuse options that windows cannot keep."""
        if not 0 < 2 * self.pad_ms <= self.max_gap_ms:
            raise UserError(f"pad_ms {self.pad_ms} does not fit; expected 1 to max_gap_ms / 2; change either")
        if not 0 < self.min_gap_window_ms <= self.max_ms <= MAX_MS:
            raise UserError(
                f"min_gap_window_ms {self.min_gap_window_ms} with max_ms {self.max_ms} is out of range; "
                f"expected 0 < min_gap_window_ms <= max_ms <= {MAX_MS}; change either"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of the recording with the cues in it, in recording time; without cues it has no text."""

    start_ms: int
    end_ms: int
    cues: tuple[Cue, ...] = ()
    cut_ms: int = 0  # how far the last cue went on after the window's end


def after_audio(cues: Sequence[Cue], duration_ms: int) -> int:
    """Count the cues that start when the audio has ended."""
    return sum(cue.start_ms >= duration_ms for cue in cues)


def pack(cues: Sequence[Cue], duration_ms: int, options: WindowOptions) -> list[Window]:
    """Cut a recording into windows, in order, at least one; `cues` are sorted by start."""
    audible = [cue for cue in cues if cue.start_ms < duration_ms]
    blocks = list(_blocks(audible, options.max_ms))
    tight = [_window(group, duration_ms, options.max_ms) for group in _groups(blocks, options)]
    with_text = _pad(tight, duration_ms, options)
    windows = [*with_text, *_without_text(with_text, duration_ms, options)]
    return sorted(windows, key=lambda window: window.start_ms) or [Window(start_ms=0, end_ms=duration_ms)]


def _blocks(cues: Sequence[Cue], max_ms: int) -> Iterator[list[Cue]]:
    """Yield the cues that cannot be parted: those that overlap, unless that is more than a window."""
    block: list[Cue] = []
    end_ms = 0
    for cue in cues:
        if block and cue.start_ms >= end_ms and cue.start_ms > block[-1].start_ms:
            yield from _bounded(block, max_ms)
            block = []
        block.append(cue)
        end_ms = max(end_ms, cue.end_ms)
    if block:
        yield from _bounded(block, max_ms)


def _bounded(block: list[Cue], max_ms: int) -> Iterator[list[Cue]]:
    """Yield the block, or one block for each start time in it, ended by the next start."""
    if _end(block) - block[0].start_ms <= max_ms:
        yield block
        return
    same_start = [list(group) for _, group in groupby(block, key=lambda cue: cue.start_ms)]
    for group, following in zip(same_start, [*same_start[1:], None], strict=True):
        limit_ms = following[0].start_ms if following else _end(group)
        yield [replace(cue, end_ms=min(cue.end_ms, limit_ms)) for cue in group]


def _groups(blocks: Sequence[list[Cue]], options: WindowOptions) -> Iterator[list[Cue]]:
    """Yield the cues of each window: blocks in order, until a long pause or a full window.

    Cues whose times the file says do not share a window with cues that were laid over speech, and may be doubted.
    """
    group: list[Cue] = []
    end_ms = 0
    for block in blocks:
        block_end_ms = _end(block)
        is_far = block[0].start_ms - end_ms >= options.max_gap_ms
        is_full = bool(group) and block_end_ms - group[0].start_ms > options.max_ms
        is_laid = [cue.confidence is not None for cue in (*group[-1:], block[0])]
        if group and (is_far or is_full or is_laid[0] != is_laid[-1]):
            yield group
            group = []
        group.extend(block)
        end_ms = block_end_ms
    if group:
        yield group


def _window(cues: list[Cue], duration_ms: int, max_ms: int) -> Window:
    start_ms = cues[0].start_ms
    end_ms = min(_end(cues), start_ms + max_ms, duration_ms)
    inside = tuple(replace(cue, end_ms=min(cue.end_ms, end_ms)) for cue in cues)
    return Window(start_ms=start_ms, end_ms=end_ms, cues=inside, cut_ms=_end(cues) - end_ms)


def _pad(windows: Sequence[Window], duration_ms: int, options: WindowOptions) -> list[Window]:
    """Widen each window into the gaps beside it: by pad_ms, half the gap, and never beyond max_ms."""
    padded: list[Window] = []
    previous_end_ms = 0
    for index, window in enumerate(windows):
        next_start_ms = windows[index + 1].start_ms if index + 1 < len(windows) else None
        room_ms = options.max_ms - (window.end_ms - window.start_ms)
        before_ms = min(options.pad_ms, window.start_ms - previous_end_ms, room_ms)
        gap_ms = duration_ms - window.end_ms if next_start_ms is None else (next_start_ms - window.end_ms + 1) // 2
        after_ms = min(options.pad_ms, gap_ms, room_ms - before_ms)
        padded.append(replace(window, start_ms=window.start_ms - before_ms, end_ms=window.end_ms + after_ms))
        previous_end_ms = padded[-1].end_ms
    return padded


def _without_text(windows: Sequence[Window], duration_ms: int, options: WindowOptions) -> Iterator[Window]:
    """Yield windows for the long stretches between these windows, equal in length within a stretch."""
    edges_ms = [0, *(edge for window in windows for edge in (window.start_ms, window.end_ms)), duration_ms]
    for start_ms, end_ms in zip(edges_ms[::2], edges_ms[1::2], strict=True):
        length_ms = end_ms - start_ms
        if length_ms < options.min_gap_window_ms:
            continue
        num = -(-length_ms // options.max_ms)
        for index in range(num):
            cuts = [start_ms + length_ms * (index + step) // num for step in (0, 1)]
            yield Window(start_ms=cuts[0], end_ms=cuts[1])


def _end(cues: Sequence[Cue]) -> int:
    return max(cue.end_ms for cue in cues)
