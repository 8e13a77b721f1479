"""Which window goes into which shard, and in which order: decided once, before a byte of audio is cut.

Shards of a stream hold whole recordings in hashed order and their windows in hashed order, so that readers need
little shuffling and each recording is decoded once per shard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import tables
from pipeline.errors import DataError
from pipeline.ids import number_of
from pipeline.redact import public_url
from pipeline.schema import SHARD_PLAN
from pipeline.shard.codec import Codec, Flac
from pipeline.stage import PART, Context, Output, Stage, Tables

Row = dict[str, Any]
OVERHEAD_BYTES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardConfig:
    """A shard is full before its windows could pass `max_bytes`, in the worst case of the codec."""

    max_bytes: int
    codec: Codec = field(default_factory=Flac)


@dataclass(frozen=True, slots=True)
class ShardPlanner:
    """The shard_plan stage's function."""

    config: ShardConfig

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Lay out every kept window; DataError when nothing was kept."""
        rows = _kept_rows(inputs, context.input_fingerprints["decision"])
        if not rows:
            raise DataError("decide kept no window; expected at least one; read the report's reasons")
        streams: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            streams[row["split"], stream_of(row)].append(row)
        shards = [shard for stream in sorted(streams) for shard in _shards(streams[stream], self.config)]
        return {"shard_plan": [tables.from_rows(shard, SHARD_PLAN) for shard in shards]}


def shard_plan_stage(config: ShardConfig) -> Stage:
    """Build the stage that lays out shards over the whole corpus."""
    return Stage(
        name="shard_plan",
        reads={
            "decision": None,
            "segment": (
                *("segment_id", "source", "start_ms", "end_ms", "text", "cues", "prev_segment_id"),
                "is_synthetic",
            ),
            "recording": ("recording_id", *_ADDRESSES, *_OF_RECORDING),
        },
        outputs=(
            Output(
                name="shard_plan",
                schema=SHARD_PLAN,
                version=2,
                config={"max_bytes": config.max_bytes, "max_bytes_per_ms": config.codec.max_bytes_per_ms},
                count_by=("split", "kind"),
            ),
        ),
        run=ShardPlanner(config),
        conserve=_all_kept,
        is_gather=True,
    )


def stream_of(row: Row) -> str:
    """Name the stream of a planned window: synthetic speech has streams of its own."""
    return f"{row['kind']}-{row['lang']}{'-synthetic' if row['is_synthetic'] else ''}"


def _kept_rows(inputs: Tables, decision_fingerprint: str) -> list[Row]:
    joined = tables.zip_columns(inputs["decision"].drop_columns([PART]), inputs["segment"].drop_columns([PART]))
    recordings = {row["recording_id"]: _provenance(row) for row in inputs["recording"].to_pylist()}
    rows = joined.filter(joined["kept"]).to_pylist()
    texts = {row["segment_id"]: row["text"] for row in rows}
    return [
        {
            **{name: row[name] for name in _CARRIED},
            **recordings[row["recording_id"]],
            "is_synthetic": bool(row["is_synthetic"]) and row["kind"] != "no_speech",
            "text": row["text"] or "",
            "cues": row["cues"] or [],
            "prev_text": texts.get(row["prev_segment_id"]),
            "decision_fingerprint": decision_fingerprint,
        }
        for row in rows
    ]


def _provenance(recording: Row) -> Row:
    addresses = {name: _public(recording[name]) for name in _ADDRESSES}
    return addresses | {name: recording[name] for name in _OF_RECORDING}


def _public(address: str | None) -> str | None:
    """Return what may go into a shard: no credentials, and of a path on this machine only its last name."""
    if address is None or ":" in address:
        return address and public_url(address)
    return address.rstrip("/").rpartition("/")[2]


_ADDRESSES = ("page_url", "audio_url", "text_url")
_OF_RECORDING = ("candidate_id", "license", "license_url", "license_evidence", "sha256")
_CARRIED = (
    "segment_id",
    "recording_id",
    "split",
    "kind",
    "lang",
    "text_lang",
    "tasks",
    "source",
    "start_ms",
    "end_ms",
)


def _shards(rows: list[Row], config: ShardConfig) -> Iterator[list[Row]]:
    ordered = sorted(rows, key=lambda row: (number_of(row["recording_id"]), row["recording_id"], row["start_ms"]))
    shard: list[Row] = []
    size, number = 0.0, 0
    for row in ordered:
        row_bytes = (row["end_ms"] - row["start_ms"]) * config.codec.max_bytes_per_ms + OVERHEAD_BYTES
        if shard and size + row_bytes > config.max_bytes:
            yield _named(shard, number)
            shard, size, number = [], 0, number + 1
        shard.append(row)
        size += row_bytes
    yield _named(shard, number)


def _named(rows: list[Row], number: int) -> list[Row]:
    shard_id = f"{rows[0]['split']}-{stream_of(rows[0])}-{number:06d}"
    return [row | {"shard_id": shard_id} for row in sorted(rows, key=lambda row: number_of(row["segment_id"]))]


def _all_kept(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    kept = pc.sum(inputs["decision"]["kept"]).as_py() or 0
    planned = [row_id for part in outputs["shard_plan"] for row_id in part["segment_id"].to_pylist()]
    assert len(planned) == kept == len(set(planned)), f"{kept} windows are kept but {len(planned)} planned"
