"""Tombstones: which recordings and windows the take-downs hit, beside the recordings they stand on.

Only what a list hits changes, so a new entry makes few units stale. Candidates that were taken down before they were
fetched are marked already; here it is what only the bytes, the id or a redirect tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from pipeline import tables
from pipeline.schema import TOMBSTONE
from pipeline.stage import Context, Output, Stage, Tables
from pipeline.takedown import RECORDING_COLUMNS, from_table


def tombstone_stage() -> Stage:
    """Build the stage that looks every recording up in the take-downs."""
    return Stage(
        name="tombstone",
        reads={"recording": RECORDING_COLUMNS, "takedown": None},
        outputs=(Output(name="tombstone", schema=TOMBSTONE, version=1),),
        run=find_taken_down,
        conserve=_same_recordings,
        shared=("takedown",),
    )


def find_taken_down(inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
    """Write a tombstone for each recording, most of them empty."""
    takedowns = from_table(inputs["takedown"])
    windows = _by_recording(takedowns.segments())
    rows = [
        {
            "recording_id": row["recording_id"],
            "entry": str(entry) if (entry := takedowns.of_recording(row)) else None,
            "segment_ids": windows.get(row["recording_id"], []),
        }
        for row in inputs["recording"].to_pylist()
    ]
    return {"tombstone": [tables.from_rows(rows, TOMBSTONE)]}


def _by_recording(segment_ids: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for segment_id in segment_ids:
        found[segment_id.partition(":")[0]].append(segment_id)
    return found


def _same_recordings(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    found = pa.concat_tables(outputs["tombstone"])["recording_id"].combine_chunks()
    assert found.equals(inputs["recording"]["recording_id"].combine_chunks()), "a recording has no tombstone row"
