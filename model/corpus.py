"""The samples of one split, found by stream and place, read from the shards by byte range.

A shard's size and sha256 are checked before the first of its samples is used: a damaged shard is an error that
names it, never fewer samples.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from model.mel import SAMPLE_RATE
from model.mixture import POOLED_TASKS, stream_name
from model.sample import Cue, Sample
from pipeline import artifact, store, tar
from pipeline.artifact import Artifact
from pipeline.errors import DataError, UserError, unknown_name
from pipeline.schema import SCHEMA_VERSION

KIND_OF_POOLED = {"detect_language": "transcribe", "no_speech": "no_speech"}
COLUMNS = ("shard_id", "uri", "split", "kind", "lang", "bytes", "sha256", "sample_offsets", "sample_ms")
MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One tar: where it is, what it must be, and where each sample begins."""

    shard_id: str
    uri: str
    kind: str
    lang: str
    num_bytes: int
    sha256: str
    offsets: NDArray[np.int64]
    sample_ms: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pool:
    """The shards of a stream; a place counts their samples from the first to the last."""

    shards: tuple[Shard, ...]
    ends: NDArray[np.int64]

    def find(self, place: int) -> tuple[Shard, int]:
        """Return the shard of a place and the sample's number in it."""
        index = int(np.searchsorted(self.ends, place, side="right"))
        shard = self.shards[index]
        return shard, place - int(self.ends[index]) + len(shard.offsets)


class Corpus:
    """The shards of one split of a finished shard artifact."""

    def __init__(self, shards_uri: str, split: str) -> None:
        """Read the index; UserError when the split has no shards."""
        source = _as_artifact(shards_uri)
        rows = [row for row in artifact.read_all(source, COLUMNS).to_pylist() if row["split"] == split]
        if not rows:
            raise UserError(f"split {split!r} of {shards_uri} has no shards; expected some; run ingest with more audio")
        self.fingerprint = source.fingerprint
        self.split = split
        self.pools = _pools([_shard(shards_uri, row) for row in rows])
        self._verified: set[str] = set()

    def hours(self) -> dict[str, float]:
        """Return the hours of audio of each stream."""
        return {
            name: sum(int(shard.sample_ms.sum()) for shard in pool.shards) / MS_PER_HOUR
            for name, pool in self.pools.items()
        }

    def size(self, stream: str) -> int:
        """Count the samples of a stream; UserError for a stream the shards lack."""
        if stream not in self.pools:
            raise unknown_name("stream", stream, self.pools)
        return int(self.pools[stream].ends[-1])

    def shard_sizes(self, stream: str) -> list[int]:
        """Count the samples of each of a stream's shards, in the order of their places."""
        return [len(shard.offsets) for shard in self.pools[stream].shards]

    def duration_ms(self, stream: str, place: int) -> int:
        """Return a sample's length from the index, without reading it."""
        shard, number = self.pools[stream].find(place)
        return int(shard.sample_ms[number])

    def texts(self) -> Iterator[str]:
        """Yield the text of every sample once, in the order of the streams."""
        for stream in self.pools:
            if stream not in POOLED_TASKS:
                yield from (self.read(stream, place).text for place in range(self.size(stream)))

    def read(self, stream: str, place: int) -> Sample:
        """Read one sample with its audio; DataError names a shard that is damaged."""
        shard, number = self.pools[stream].find(place)
        self._verify(shard)
        last = number + 1 == len(shard.offsets)
        end = shard.num_bytes if last else int(shard.offsets[number + 1])
        try:
            _, members = tar.read_sample(store.read_range(shard.uri, int(shard.offsets[number]), end))
            return parse_sample(members)
        except DataError as error:
            raise DataError(
                f"shard {shard.shard_id} is damaged at sample {number}: {error}; run ingest again"
            ) from error

    def _verify(self, shard: Shard) -> None:
        if shard.shard_id in self._verified:
            return
        try:
            data = store.read_bytes(shard.uri)
        except FileNotFoundError as error:
            raise DataError(f"shard {shard.shard_id} is missing at {shard.uri}; run ingest again") from error
        if len(data) != shard.num_bytes or hashlib.sha256(data).hexdigest() != shard.sha256:
            raise DataError(
                f"shard {shard.shard_id} is damaged: {len(data)} bytes do not have the size or sha256 of its index; "
                f"expected {shard.num_bytes} bytes; remove {shard.uri} and run ingest again"
            )
        self._verified.add(shard.shard_id)


def resolve_shards(uri: str) -> str:
    """Return the shard folder a setting means: a folder, or the pointer file that ingest leaves."""
    if not uri.endswith(".json"):
        return uri
    if not store.exists(uri):
        raise UserError(f"shards {uri} do not exist; expected the pointer of a finished ingest; run make ingest first")
    return str(json.loads(store.read_bytes(uri))["shards_uri"])


def parse_sample(members: Mapping[str, bytes]) -> Sample:
    """Build a sample from a shard's members; DataError for a foreign version, rate or missing member."""
    missing = {"flac", "json"} - set(members)
    if missing:
        raise DataError(f"sample lacks members {sorted(missing)}; have {sorted(members)}")
    described: dict[str, Any] = json.loads(members["json"])
    if described["schema_version"] != SCHEMA_VERSION:
        raise DataError(f"sample has schema version {described['schema_version']}; expected {SCHEMA_VERSION}")
    audio, rate = soundfile.read(io.BytesIO(members["flac"]), dtype="float32")
    if rate != SAMPLE_RATE or audio.ndim != 1:
        raise DataError(f"audio of {rate} Hz and shape {audio.shape} is foreign; expected {SAMPLE_RATE} Hz mono")
    plain = ("segment_id", "recording_id", "source", "kind", "lang", "text", "text_lang", "prev_text", "duration_ms")
    return Sample(
        **{name: described[name] for name in plain},
        cues=tuple(Cue(start_ms=start, end_ms=end, text=text) for start, end, text in described["cues"]),
        tasks=tuple(described["tasks"]),
        audio=np.asarray(audio, dtype=np.float32),
    )


def _pools(shards: list[Shard]) -> dict[str, Pool]:
    groups = {stream_name(shard.kind, shard.lang): shard.kind for shard in shards if shard.kind not in POOLED_TASKS}
    pools = {name: [s for s in shards if stream_name(s.kind, s.lang) == name] for name in groups}
    for task, kind in KIND_OF_POOLED.items():
        pools[task] = [shard for shard in shards if shard.kind == kind]
    ordered = {name: tuple(sorted(pool, key=lambda shard: shard.shard_id)) for name, pool in pools.items() if pool}
    return {
        name: Pool(pool, np.cumsum([len(shard.offsets) for shard in pool], dtype=np.int64))
        for name, pool in sorted(ordered.items())
    }


def _shard(shards_uri: str, row: Mapping[str, Any]) -> Shard:
    return Shard(
        shard_id=row["shard_id"],
        uri=store.join(shards_uri, row["uri"]),
        kind=row["kind"],
        lang=row["lang"],
        num_bytes=row["bytes"],
        sha256=row["sha256"],
        offsets=np.array(row["sample_offsets"], dtype=np.int64),
        sample_ms=np.array(row["sample_ms"], dtype=np.int64),
    )


def _as_artifact(shards_uri: str) -> Artifact:
    root_uri, name, fingerprint = shards_uri.rstrip("/").rsplit("/", 2)
    return Artifact(root_uri=root_uri, name=name, fingerprint=fingerprint)
