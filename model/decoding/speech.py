"""Windows cut around the speech of a recording."""

from __future__ import annotations

from collections.abc import Sequence

Span = tuple[int, int]  # start and end in ms
MARGIN_MS = 200  # of silence kept on both sides of a window: the first and last words are the ones that get lost


def cut(spans: Sequence[Span], max_ms: int, duration_ms: int) -> list[Span]:
    """Join spans that follow each other into windows of at most `max_ms`, and split what is longer.

    Windows do not overlap and lie inside the recording; every span is covered.
    """
    pieces = [piece for start, end in spans for piece in _split(start, end, max_ms)]
    windows: list[list[int]] = []
    for start, end in pieces:
        if windows and end - windows[-1][0] <= max_ms:
            windows[-1][1] = end
        else:
            windows.append([start, end])
    return _widened(windows, max_ms, duration_ms)


def speech_share(spans: Sequence[Span], start_ms: int, end_ms: int) -> float:
    """Return how much of the time between start and end is speech."""
    spoken = sum(max(0, min(end, end_ms) - max(start, start_ms)) for start, end in spans)
    return spoken / max(end_ms - start_ms, 1)


def _split(start: int, end: int, max_ms: int) -> list[Span]:
    count = -(-(end - start) // max_ms)
    edges = [start + (end - start) * place // max(count, 1) for place in range(count + 1)]
    return list(zip(edges, edges[1:], strict=False))


def _widened(windows: Sequence[Sequence[int]], max_ms: int, duration_ms: int) -> list[Span]:
    """Add the margins where neighbours and the longest window leave room."""
    found: list[Span] = []
    for place, (start, end) in enumerate(windows):
        before = found[-1][1] if found else 0
        after = windows[place + 1][0] if place + 1 < len(windows) else duration_ms
        room = (max_ms - (end - start)) // 2
        margin = min(MARGIN_MS, room)
        found.append((max(start - margin, before), min(end + margin, (end + after) // 2, duration_ms)))
    return found
