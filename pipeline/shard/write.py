"""Cut the planned windows and write one tar a unit; the same plan gives the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline import decoder, store, tables
from pipeline.audio import SAMPLES_PER_MS
from pipeline.schema import SCHEMA_VERSION, SHARD_INDEX
from pipeline.shard.codec import Codec, Flac
from pipeline.shard.plan import ShardConfig, stream_of
from pipeline.stage import Context, Output, Stage, Tables
from pipeline.tar import TarBuilder

Row = dict[str, Any]
SAMPLE_FIELDS = (
    "segment_id",
    "recording_id",
    "source",
    "kind",
    "lang",
    "is_synthetic",
    "text",
    "text_lang",
    "prev_text",
    "tasks",
    "page_url",
    "audio_url",
    "text_url",
    "license",
    "license_url",
    "license_evidence",
    "sha256",
    "start_ms",
)


@dataclass(frozen=True, slots=True)
class ShardWriter:
    """The shard stage's function."""

    codec: Codec = field(default_factory=Flac)

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Write the shard of one plan part and describe it."""
        rows: list[Row] = inputs["shard_plan"].to_pylist()
        data, offsets = self.build(rows, context.blobs_uri)
        uri = _relative_uri(rows[0])
        store.publish(store.join(context.output_uris["shard_index"], uri), data)
        return {"shard_index": [tables.from_rows([_index_row(rows, uri, data, offsets)], SHARD_INDEX)]}

    def build(self, rows: Sequence[Row], blobs_uri: str) -> tuple[bytes, list[int]]:
        """Return the tar of a plan part's rows, and where each sample begins in it."""
        clips = self._cut(rows, blobs_uri)
        builder = TarBuilder()
        for row in rows:
            members = {self.codec.extension: clips[row["segment_id"]], "json": _describe(row)}
            builder.add(sample_key(row["segment_id"]), members)
        return builder.finish(), builder.offsets

    def _cut(self, rows: Sequence[Row], blobs_uri: str) -> dict[str, bytes]:
        by_recording: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            by_recording[row["sha256"]].append(row)
        clips: dict[str, bytes] = {}
        for sha256, windows in by_recording.items():
            samples = decoder.decode(store.read_bytes(store.blob_uri(blobs_uri, sha256))).samples
            for row in windows:
                clip = samples[row["start_ms"] * SAMPLES_PER_MS : row["end_ms"] * SAMPLES_PER_MS]
                clips[row["segment_id"]] = self.codec.encode(clip)
        return clips


def shard_stage(config: ShardConfig) -> Stage:
    """Build the stage that writes the tars; another schema version, which readers ask for, writes them anew."""
    identity = {**config.codec.identity(), "schema_version": SCHEMA_VERSION}
    return Stage(
        name="shard",
        reads={"shard_plan": None},
        outputs=(Output(name="shard_index", schema=SHARD_INDEX, version=2, config=identity),),
        run=ShardWriter(config.codec),
        has_files=True,
        conserve=_all_planned,
    )


def sample_key(segment_id: str) -> str:
    """Name a sample in a tar: webdataset cuts names at the first dot, and colons trouble some file systems."""
    return segment_id.replace(":", "_")


def _describe(row: Row) -> bytes:
    sample = {name: row[name] for name in SAMPLE_FIELDS} | {
        "schema_version": SCHEMA_VERSION,
        "duration_ms": row["end_ms"] - row["start_ms"],
        "cues": [[cue["start_ms"], cue["end_ms"], cue["text"]] for cue in row["cues"]],
    }
    return json.dumps(sample, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _relative_uri(row: Row) -> str:
    number = row["shard_id"].rsplit("-", 1)[-1]
    return f"{row['split']}/{stream_of(row)}/{number}.tar"


def _index_row(rows: Sequence[Row], uri: str, data: bytes, offsets: list[int]) -> Row:
    durations = [row["end_ms"] - row["start_ms"] for row in rows]
    return {
        **{name: rows[0][name] for name in _OF_SHARD},
        "uri": uri,
        "num_samples": len(rows),
        "bytes": len(data),
        "duration_ms": sum(durations),
        "sha256": hashlib.sha256(data).hexdigest(),
        "segment_ids": [row["segment_id"] for row in rows],
        "origins": _origins(rows),
        "sample_offsets": offsets,
        "sample_ms": durations,
    }


_OF_SHARD = ("shard_id", "split", "kind", "lang", "is_synthetic", "decision_fingerprint")


def _origins(rows: Sequence[Row]) -> list[Row]:
    """Describe the recordings of a shard, so that whoever reads it can tell what a take-down hits."""
    firsts = {row["recording_id"]: row for row in reversed(rows)}
    return [
        {
            **{name: row[name] for name in ("recording_id", "candidate_id", "sha256")},
            "urls": [row[name] for name in ("page_url", "audio_url", "text_url") if row[name]],
        }
        for _, row in sorted(firsts.items())
    ]


def _all_planned(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    planned = inputs["shard_plan"]["segment_id"].to_pylist()
    written = outputs["shard_index"][0]["segment_ids"].to_pylist()[0]
    assert written == planned, "a shard does not hold the windows of its plan"
