"""The segments of each recording together, for what is measured on whole documents or whole audio files."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


def by_recording(segments: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield each recording's id and its segments, in order; they stand together, as they were written."""
    ids = segments["recording_id"].to_pylist()
    seen: set[str] = set()
    start = 0
    for end in range(1, len(ids) + 1):
        if end == len(ids) or ids[end] != ids[start]:
            assert ids[start] not in seen, f"segments of {ids[start]} do not stand together"
            seen.add(ids[start])
            yield ids[start], segments.slice(start, end - start)
            start = end
