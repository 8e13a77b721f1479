"""The samples of one split, found by stream and place, read from the shards by byte range.

A shard's size and sha256 are checked before the first of its samples is used: a damaged shard is an error that
names it, never fewer samples. Where asked to, a run goes on without it: each of its places gives a sample of another
shard, the same on every machine, and the shard is named in the log.

Samples that were taken down are never returned. Their places stay, so that neither the order of a run nor the position
it resumes at moves: such a place gives another sample of its stream, spread evenly over those that stand, and every
other place gives what it gave. A stream of which nothing stands is gone.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model.data.cache import ReadAhead, ShardCache, ShardReader
from model.data.mixture import POOLED_TASKS, stream_name
from model.data.sound import decode_sound
from model.sample import Cue, Sample
from pipeline import artifact, store, tar
from pipeline.artifact import Artifact
from pipeline.errors import DataError, UserError, unknown_name
from pipeline.schema import SCHEMA_VERSION
from pipeline.takedown import Takedowns, in_force

KIND_OF_POOLED = {"detect_language": "transcribe", "no_speech": "no_speech"}
COLUMNS = (
    *("shard_id", "uri", "split", "kind", "lang", "is_synthetic", "bytes", "sha256"),
    *("sample_offsets", "sample_ms"),
)
NAMES = ("shard_id", "segment_ids", "origins")
AUDIO = ("flac", "opus")  # what a sample's audio may be: see pipeline/shard/FORMAT.md
MS_PER_HOUR = 3_600_000
NONE = np.empty(0, dtype=np.int64)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What to do about a damaged shard, and where copies of remote shards lie and how much of the disk they take."""

    damaged: Literal["stop", "skip"] = "stop"
    cache_folder: str = "~/.cache/sotto/shards"
    cache_gib: float = 100.0

    def __post_init__(self) -> None:
        """Refuse a policy that does not exist."""
        if self.damaged not in ("stop", "skip"):
            raise UserError(f"data.reading.damaged {self.damaged!r} does not exist; have stop, skip; choose one")

    def cache(self) -> ShardCache:
        """Return the cache of remote shards."""
        return ShardCache(folder=Path(self.cache_folder).expanduser(), max_bytes=int(self.cache_gib * (1 << 30)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One tar: where it is, what it must be, and where each sample begins."""

    shard_id: str
    uri: str
    kind: str
    lang: str
    is_synthetic: bool
    num_bytes: int
    sha256: str
    offsets: NDArray[np.int64]
    sample_ms: NDArray[np.int64]
    taken_down: NDArray[np.int64]  # numbers of samples that may not be read


@dataclass(frozen=True, slots=True)
class Pool:
    """The shards of a stream; a place counts their samples from the first to the last."""

    shards: tuple[Shard, ...]
    ends: list[int] = field(init=False)
    taken_down: NDArray[np.int64] = field(init=False)  # places, in order

    def __post_init__(self) -> None:
        """Lay the samples of all shards in one row."""
        ends = list(accumulate(len(shard.offsets) for shard in self.shards))
        starts = (end - len(shard.offsets) for shard, end in zip(self.shards, ends, strict=True))
        taken_down = [start + shard.taken_down for start, shard in zip(starts, self.shards, strict=True)]
        object.__setattr__(self, "ends", ends)
        object.__setattr__(self, "taken_down", np.concatenate(taken_down))

    @property
    def num_standing(self) -> int:
        """Count the samples that were not taken down."""
        return self.ends[-1] - len(self.taken_down)

    def duration_ms(self, taken_down: bool) -> int:
        """Return the length of what stands, or with what was taken down."""
        gone_ms = sum(int(shard.sample_ms[shard.taken_down].sum()) for shard in self.shards)
        return sum(int(shard.sample_ms.sum()) for shard in self.shards) - (0 if taken_down else gone_ms)

    def places(self) -> NDArray[np.int64]:
        """Return the places whose own sample stands."""
        return np.setdiff1d(np.arange(self.ends[-1]), self.taken_down, assume_unique=True)

    def at(self, place: int) -> tuple[Shard, int]:
        """Return the shard of a place and the sample's number in it."""
        index = bisect_right(self.ends, place)
        shard = self.shards[index]
        return shard, place - self.ends[index] + len(shard.offsets)

    def in_next_shard(self, place: int) -> int:
        """Return the place with the same number in the next shard, counted round where that one is shorter."""
        index = bisect_right(self.ends, place)
        following = (index + 1) % len(self.shards)
        start = self.ends[following] - len(self.shards[following].offsets)
        return start + self.at(place)[1] % len(self.shards[following].offsets)

    def find(self, place: int) -> tuple[Shard, int]:
        """Return where the sample is that a place gives: its own, or another for one that was taken down."""
        return self.at(self._standing(place))

    def _standing(self, place: int) -> int:
        if not len(self.taken_down):
            return place
        at = int(np.searchsorted(self.taken_down, place))
        if at == len(self.taken_down) or int(self.taken_down[at]) != place:
            return place
        nth = at * self.num_standing // len(self.taken_down)
        standing_before = self.taken_down - np.arange(len(self.taken_down))
        return nth + int(np.searchsorted(standing_before, nth, side="right"))


class Corpus:
    """The shards of one split of a finished shard artifact."""

    def __init__(self, shards_uri: str, split: str, reading: Reading | None = None) -> None:
        """Read the index and the take-downs in force beside it; UserError when there are no shards, or none of it."""
        source = _as_artifact(shards_uri)
        _check_schema(source, shards_uri)
        rows = [row for row in artifact.read_all(source, COLUMNS).to_pylist() if row["split"] == split]
        if not rows:
            raise UserError(f"split {split!r} of {shards_uri} has no shards; expected some; run ingest with more audio")
        takedowns = in_force(source.root_uri.rpartition("/")[0])
        taken_down = _taken_down(source, takedowns)
        self.fingerprint = source.fingerprint
        self.split = split
        self.pools = _standing(_pools([_shard(shards_uri, row, taken_down.get(row["shard_id"], NONE)) for row in rows]))
        self._reading = reading or Reading()
        self.is_remote = not store.is_local(shards_uri)
        self._reader = ShardReader(self._reading.cache())
        self._ahead = ReadAhead(self._reading.cache())
        self._damaged: set[str] = set()
        self._cut = {segment_id.partition(":")[0] for segment_id in takedowns.segments()}

    def hours(self, taken_down: bool = False) -> dict[str, float]:
        """Return the hours of audio that stand in each stream, or with what was taken down."""
        return {name: pool.duration_ms(taken_down) / MS_PER_HOUR for name, pool in self.pools.items()}

    def num_standing(self, stream: str) -> int:
        """Count the samples of a stream that were not taken down."""
        return self.pools[stream].num_standing

    def expect(self, shards: Iterable[tuple[str, int]]) -> None:
        """Fetch shards ahead, each a stream and a number, in the order they will be read in; a disk needs none."""
        if self.is_remote:
            wanted = (self.pools[stream].shards[number] for stream, number in shards)
            self._ahead.want([*{shard.shard_id: shard for shard in wanted}.values()])

    def size(self, stream: str) -> int:
        """Count the places of a stream; UserError for a stream the shards lack."""
        if stream not in self.pools:
            raise unknown_name("stream", stream, self.pools)
        return self.pools[stream].ends[-1]

    def shard_sizes(self, stream: str) -> list[int]:
        """Count the samples of each of a stream's shards, in the order of their places."""
        return [len(shard.offsets) for shard in self.pools[stream].shards]

    def duration_ms(self, stream: str, place: int) -> int:
        """Return the length the index has for a place, without reading it; a take-down does not change it."""
        shard, number = self.pools[stream].at(place)
        return int(shard.sample_ms[number])

    def texts(self) -> Iterator[str]:
        """Yield the text of every sample once, in the order of the streams."""
        for stream in self.pools:
            if stream not in POOLED_TASKS:
                yield from (self.read(stream, place).text for place in self.places(stream))

    def places(self, stream: str) -> list[int]:
        """List the places of a stream whose own sample was not taken down."""
        return self.pools[stream].places().tolist()

    def read(self, stream: str, place: int) -> Sample:
        """Read one sample with its audio; DataError names a shard that is damaged, unless those are passed over."""
        pool = self.pools[stream]
        for _ in pool.shards:
            shard, number = pool.find(place)
            try:
                return self._sample(shard, number)
            except DataError as error:
                if self._reading.damaged == "stop":
                    raise
                self._pass_over(shard, error)
            place = pool.in_next_shard(place)
        raise DataError(f"stream {stream!r} has no whole shard left; expected one; run ingest again")

    def _sample(self, shard: Shard, number: int) -> Sample:
        last = number + 1 == len(shard.offsets)
        end = shard.num_bytes if last else int(shard.offsets[number + 1])
        data = self._reader.read(shard, int(shard.offsets[number]), end)
        try:
            sample = parse_sample(tar.read_sample(data)[1])
        except DataError as error:
            raise DataError(
                f"shard {shard.shard_id} is damaged at sample {number}: {error}; run ingest again"
            ) from error
        # The text of a window that was taken down may be the next one's previous text.
        return replace(sample, prev_text=None) if sample.recording_id in self._cut else sample

    def _pass_over(self, shard: Shard, error: DataError) -> None:
        if shard.shard_id not in self._damaged:
            log.warning("training goes on without shard %s: %s", shard.shard_id, error)
            self._damaged.add(shard.shard_id)


def _check_schema(source: Artifact, shards_uri: str) -> None:
    """Refuse shards of another schema before one of their columns is missed."""
    written = artifact.read_part(source, 0, ["shard_id"]).schema.metadata[b"sotto.schema_version"].decode()
    if written != str(SCHEMA_VERSION):
        raise UserError(f"shards {shards_uri} have schema {written}; expected {SCHEMA_VERSION}; run ingest again")


def resolve_shards(uri: str) -> str:
    """Return the shard folder a setting means: a folder, or the pointer file that ingest leaves.

    A pointer's own data root comes first: what it holds may be relative to where ingest ran, or have moved with it.
    """
    if not uri.endswith(".json"):
        return uri
    if not store.exists(uri):
        raise UserError(f"shards {uri} do not exist; expected the pointer of a finished ingest; run make ingest first")
    named = str(json.loads(store.read_bytes(uri))["shards_uri"])
    data_root, latest, _ = uri.rpartition("/latest/")
    beside = store.join(data_root, *named.rstrip("/").rsplit("/", 3)[1:])
    return beside if latest and store.exists(beside) else named


def parse_sample(members: Mapping[str, bytes]) -> Sample:
    """Build a sample from a shard's members; DataError for a foreign version, rate or missing member."""
    sound = next((members[name] for name in AUDIO if name in members), None)
    if sound is None or "json" not in members:
        raise DataError(f"sample has members {sorted(members)}; expected json and one of {list(AUDIO)}")
    return parse_description(members["json"], decode_sound(sound))


def parse_description(content: bytes, audio: NDArray[np.float32] | None = None) -> Sample:
    """Build a sample from its JSON, with or without its audio; DataError for a foreign version."""
    described: dict[str, Any] = json.loads(content)
    if described["schema_version"] != SCHEMA_VERSION:
        raise DataError(f"sample has schema version {described['schema_version']}; expected {SCHEMA_VERSION}")
    plain = (
        *("segment_id", "recording_id", "source", "kind", "lang", "is_synthetic", "text", "text_lang", "prev_text"),
        "duration_ms",
    )
    return Sample(
        **{name: described[name] for name in plain},
        cues=tuple(Cue(start_ms=start, end_ms=end, text=text) for start, end, text in described["cues"]),
        tasks=tuple(described["tasks"]),
        audio=audio,
    )


def _pools(shards: list[Shard]) -> dict[str, Pool]:
    pools: dict[str, list[Shard]] = defaultdict(list)
    for shard in shards:
        if shard.kind not in POOLED_TASKS:
            pools[stream_name(shard.kind, shard.lang, shard.is_synthetic)].append(shard)
    for task, kind in KIND_OF_POOLED.items():  # a language is learnt from people
        pools[task] = [shard for shard in shards if shard.kind == kind and not shard.is_synthetic]
    ordered = {name: tuple(sorted(pool, key=lambda shard: shard.shard_id)) for name, pool in pools.items() if pool}
    return {name: Pool(pool) for name, pool in sorted(ordered.items())}


def _standing(pools: Mapping[str, Pool]) -> dict[str, Pool]:
    """Leave out the streams of which nothing stands, and say what the take-downs cost."""
    for name, pool in pools.items():
        if len(pool.taken_down):
            log.warning("stream %s: %d of %d samples are taken down", name, len(pool.taken_down), pool.ends[-1])
    return {name: pool for name, pool in pools.items() if pool.num_standing}


def _taken_down(source: Artifact, takedowns: Takedowns) -> dict[str, NDArray[np.int64]]:
    """Return the numbers of the samples that are taken down, by shard; reads a shard's names at a time."""
    if not takedowns.entries:
        return {}
    parts = (artifact.read_part(source, number, NAMES) for number in range(artifact.num_parts(source)))
    rows = (row for part in parts for row in part.to_pylist())
    return {row["shard_id"]: numbers for row in rows if len(numbers := _hit(row, takedowns))}


def _hit(row: Mapping[str, Any], takedowns: Takedowns) -> NDArray[np.int64]:
    gone = {
        origin["recording_id"]
        for origin in row["origins"]
        if takedowns.named("recording", origin["recording_id"])
        or takedowns.named("candidate", origin["candidate_id"])
        or takedowns.named("sha256", origin["sha256"])
        or takedowns.of_urls(origin["urls"])
    }
    numbers = [
        number
        for number, segment_id in enumerate(row["segment_ids"])
        if segment_id.partition(":")[0] in gone or takedowns.of_segment(segment_id)
    ]
    return np.array(numbers, dtype=np.int64)


def _shard(shards_uri: str, row: Mapping[str, Any], taken_down: NDArray[np.int64]) -> Shard:
    return Shard(
        shard_id=row["shard_id"],
        uri=store.join(shards_uri, row["uri"]),
        kind=row["kind"],
        lang=row["lang"],
        is_synthetic=row["is_synthetic"],
        num_bytes=row["bytes"],
        sha256=row["sha256"],
        offsets=np.array(row["sample_offsets"], dtype=np.int64),
        sample_ms=np.array(row["sample_ms"], dtype=np.int64),
        taken_down=taken_down,
    )


def _as_artifact(shards_uri: str) -> Artifact:
    if not store.exists(store.join(shards_uri, artifact.MANIFEST)):
        raise UserError(
            f"shards {shards_uri} are not there, or not finished; expected a folder that ingest made, or its "
            "latest/shards.json; mend the path, or run ingest"
        )
    root_uri, name, fingerprint = shards_uri.rstrip("/").rsplit("/", 2)
    return Artifact(root_uri=root_uri, name=name, fingerprint=fingerprint)
