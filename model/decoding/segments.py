"""From the tokens of a window to segments with times, and to where the next window starts (Whisper §3.8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.mel import HOP, SAMPLE_RATE

MS_PER_FRAME = HOP * 1000 // SAMPLE_RATE
FRAMES_PER_STAMP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A segment's frames from the window's start, and its tokens, timestamps included."""

    start: int
    end: int
    tokens: tuple[int, ...]


def cut_tokens(tokens: Sequence[int], timestamp_begin: int, num_frames: int) -> tuple[list[Piece], int]:
    """Return the segments of a window of `num_frames`, and how far the next window lies from its start.

    A segment that was begun and not ended is left to the next window. Where nothing was ended, all is one segment.
    """
    is_stamp = [token >= timestamp_begin for token in tokens]
    ends = [place for place in range(1, len(tokens)) if is_stamp[place - 1] and is_stamp[place]]
    is_whole = is_stamp[-2:] == [False, True]  # nobody speaks after the last timestamp
    if not ends:
        last = next((token - timestamp_begin for token in reversed(tokens) if token >= timestamp_begin), 0)
        end = last * FRAMES_PER_STAMP if last else num_frames
        return [Piece(start=0, end=end, tokens=tuple(tokens))], num_frames
    ends += [len(tokens)] if is_whole else []
    pieces = [
        Piece(
            start=(tokens[first] - timestamp_begin) * FRAMES_PER_STAMP,
            end=(tokens[end - 1] - timestamp_begin) * FRAMES_PER_STAMP,
            tokens=tuple(tokens[first:end]),
        )
        for first, end in zip([0, *ends], ends, strict=False)
    ]
    return pieces, num_frames if is_whole else max(pieces[-1].end, FRAMES_PER_STAMP)
