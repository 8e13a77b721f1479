"""What a take-down hits in a finished corpus: recordings, the hours kept of them, the shards they are in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline import artifact
from pipeline.artifact import Artifact
from pipeline.takedown import RECORDING_COLUMNS, Takedowns

Row = dict[str, Any]
BYTES = ("sha256", "text_sha256")  # columns of a recording that name blobs
ADDRESSES = ("audio_url", "text_url")  # columns of a recording that were asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What is hit: recordings by id, the audio kept of them or of single windows, and shards."""

    recording_ids: frozenset[str]
    kept_ms: int
    num_samples: int
    shard_ids: tuple[str, ...]


def reach(takedowns: Takedowns, recording: Artifact, shard_index: Artifact) -> Reach:
    """Look up every recording and every sample; a part at a time."""
    hit = frozenset(row["recording_id"] for row in recordings([recording]) if takedowns.of_recording(row))
    num_samples, kept_ms, shard_ids = 0, 0, list[str]()
    for row in _rows(shard_index, ("shard_id", "segment_ids", "sample_ms")):
        lengths = [
            length_ms
            for segment_id, length_ms in zip(row["segment_ids"], row["sample_ms"], strict=True)
            if segment_id.partition(":")[0] in hit or takedowns.of_segment(segment_id)
        ]
        num_samples, kept_ms = num_samples + len(lengths), kept_ms + sum(lengths)
        shard_ids += [row["shard_id"]] * bool(lengths)
    return Reach(recording_ids=hit, kept_ms=kept_ms, num_samples=num_samples, shard_ids=tuple(shard_ids))


def recordings(places: Iterable[Artifact]) -> Iterator[Row]:
    """Yield the recordings of some artifacts, with what says whether they are hit and which bytes are theirs."""
    for place in places:
        yield from _rows(place, (*RECORDING_COLUMNS, "text_sha256"))


def only_theirs(takedowns: Takedowns, rows: Iterable[Row], columns: tuple[str, ...]) -> list[str]:
    """Return the values of some columns that belong to recordings that are hit, and to no other."""
    theirs, others = set[str](), set[str]()
    for row in rows:
        values = {row[name] for name in columns if row[name]}
        (theirs if takedowns.of_recording(row) else others).update(values)
    return sorted(theirs - others)


def _rows(place: Artifact, columns: tuple[str, ...]) -> Iterator[Row]:
    for number in range(artifact.num_parts(place)):
        yield from artifact.read_part(place, number, columns).to_pylist()
