"""A take-down is found by id, by bytes and by every address of a recording, and touches no other row."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from pipeline import tables
from pipeline.decide.tombstones import find_taken_down, tombstone_stage
from pipeline.schema import RECORDING
from pipeline.stage import PART, Context
from pipeline.takedown import RECORDING_COLUMNS, Takedowns, parse

SHA = "cd" * 32
ONE = {
    "recording_id": "r1",
    "candidate_id": "c1",
    "sha256": SHA,
    "audio_url": "http://a.test/1.mp3",
    "text_url": "http://text.test/1.vtt",
    "page_url": "http://page.test/",
    "final_url": "http://cdn.test/1.mp3",
    "redirects": ["http://hop.test/1"],
}
OTHER = dict.fromkeys(ONE) | {"recording_id": "r2", "candidate_id": "c2", "audio_url": "/talks/2.mp3"}


def found(*lines: str) -> list[dict[str, Any]]:
    recordings = tables.from_rows([dict.fromkeys(RECORDING.names) | row for row in (ONE, OTHER)], RECORDING)
    entries = Takedowns(tuple(entry for line in lines if (entry := parse(line, "x:1")))).to_table()
    inputs = {
        "recording": recordings.select(RECORDING_COLUMNS),
        "takedown": entries.append_column(PART, pa.array([0] * len(lines), pa.int64())),
    }
    outputs = find_taken_down(inputs, Context(blobs_uri="", output_uris={}, input_fingerprints={}))
    tombstone_stage().conserve(inputs, outputs)
    return pa.concat_tables(outputs["tombstone"]).to_pylist()


@pytest.mark.parametrize(
    "line",
    ["recording: r1", "candidate: c1", f"sha256: {SHA}"]
    + ["host: a.test", "host: text.test", "host: page.test", "host: cdn.test", "host: hop.test"],
)
def test_whatever_names_a_recording_takes_it_down_and_no_other(line: str) -> None:
    assert [row["entry"] for row in found(line)] == [line, None]


def test_a_window_is_taken_down_alone() -> None:
    rows = found("sample: r2:3000")
    assert [(row["entry"], row["segment_ids"]) for row in rows] == [(None, []), (None, ["r2:3000"])]


def test_without_take_downs_every_recording_stands() -> None:
    assert [(row["entry"], row["segment_ids"]) for row in found()] == [(None, [])] * 2
