"""The segments of each recording together, for what is measured on whole documents, audio files or corpora."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.stage import PART


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


def into_parts(gathered: pa.Table, num_parts: int) -> list[pa.Table]:
    """Cut a table with the column PART back into its parts, empty ones included."""
    parts = [gathered.filter(pc.equal(gathered[PART], number)) for number in range(num_parts)]
    return [part.drop_columns([PART]) for part in parts]
