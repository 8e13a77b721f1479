"""What a take-down hits is counted in the tables and shards at hand, and only bytes nobody else uses are theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline import artifact, tables
from pipeline.artifact import Artifact
from pipeline.ledger.reach import ADDRESSES, BYTES, only_theirs, reach, recordings
from pipeline.schema import RECORDING, SHARD_INDEX
from pipeline.takedown import Takedowns, parse

ROWS = (
    {"recording_id": "r1", "audio_url": "http://a.test/1", "sha256": "s1", "text_url": "blob:t", "text_sha256": "t"},
    {"recording_id": "r2", "audio_url": "http://a.test/2", "sha256": "shared", "text_sha256": None},
    {"recording_id": "r3", "audio_url": "http://b.test/1", "sha256": "shared", "text_sha256": "t"},
)


def published(root: Path, name: str, rows: list[dict[str, Any]], schema: Any) -> Artifact:
    place = Artifact(root_uri=str(root), name=name, fingerprint="f")
    filled = [dict.fromkeys(schema.names) | row for row in rows]
    artifact.publish_unit(place, 0, {0: tables.from_rows(filled, schema)}, ())
    artifact.publish_manifest(place, {}, 1)
    return place


def takedowns(*lines: str) -> Takedowns:
    return Takedowns(tuple(entry for line in lines if (entry := parse(line, "x:1"))))


def test_recordings_samples_and_shards_are_counted(tmp_path: Path) -> None:
    recording = published(tmp_path, "recording", list(ROWS), RECORDING)
    shards = [
        {"shard_id": "one", "segment_ids": ["r1:0", "r3:0"], "sample_ms": [1000, 2000]},
        {"shard_id": "two", "segment_ids": ["r3:9", "r3:8"], "sample_ms": [4000, 8000]},
    ]
    index = published(tmp_path, "shard_index", shards, SHARD_INDEX)
    hit = reach(takedowns("host: a.test"), recording, index)
    assert (hit.recording_ids, hit.num_samples, hit.kept_ms, hit.shard_ids) == ({"r1", "r2"}, 1, 1000, ("one",))
    window = reach(takedowns("sample: r3_8"), recording, index)
    assert (window.recording_ids, window.num_samples, window.kept_ms, window.shard_ids) == (set(), 1, 8000, ("two",))


def test_bytes_and_addresses_that_others_use_are_not_theirs(tmp_path: Path) -> None:
    place = published(tmp_path, "recording", list(ROWS), RECORDING)
    both = takedowns("host: a.test")
    assert only_theirs(both, recordings([place]), BYTES) == ["s1"]
    assert only_theirs(both, recordings([place]), ADDRESSES) == ["blob:t", "http://a.test/1", "http://a.test/2"]
    everything = takedowns("host: a.test", "host: b.test")
    assert only_theirs(everything, recordings([place]), BYTES) == ["s1", "shared", "t"]
    assert only_theirs(takedowns(), recordings([place]), BYTES) == []
