"""What a card tells of a corpus, counted from its ledger, recordings, shard plan and shard index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from pipeline import artifact
from pipeline.artifact import Artifact

Row = dict[str, Any]
UNSTATED = "not stated"
READS: Mapping[str, tuple[str, ...]] = {
    "ledger": ("recording_id", "source", "host", "state", "reason", "license", "duration_ms", "kept_ms"),
    "recording": ("recording_id", "text_kind", "fetched_ms", "user_agent"),
    "shard_plan": ("recording_id", "split", "kind", "lang", "tasks", "license", "license_url", "start_ms", "end_ms"),
    "shard_index": ("uri", "split", "kind", "lang", "is_synthetic", "num_samples", "bytes", "duration_ms", "sha256"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A tar as the index names it."""

    uri: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Counts of a corpus; audio in ms, times as Unix ms. `rules` are the reasons of the filters with their whys.

    `streams` are audio by split, kind and language; `licences` and `captions` audio kept by licence and by the
    caption's declared origin; `license_urls` the addresses stated; `rejected` recordings by state and reason; `audio`
    is the ending of a sample's sound.
    """

    fingerprint: str
    num_listed: int
    states: Mapping[str, int]
    rejected: Mapping[tuple[str, str], int]
    audio_ms: int
    kept_ms: int
    synthetic_ms: int
    num_recordings: int
    num_samples: int
    streams: Mapping[tuple[str, str, str], int]
    licences: Mapping[str, int]
    license_urls: Sequence[str]
    captions: Mapping[str, int]
    sources: Mapping[str, int]
    hosts: Mapping[str, int]
    first_ms: int | None
    last_ms: int | None
    user_agents: Sequence[str]
    rules: Mapping[str, str]
    audio: str
    shards: Sequence[Shard]

    @property
    def bytes(self) -> int:
        """Size of all tars."""
        return sum(shard.bytes for shard in self.shards)

    @property
    def languages(self) -> list[str]:
        """Languages of the audio with speech, most audio first."""
        heard = Counter[str]()
        for (_, kind, lang), length_ms in self.streams.items():
            heard[lang] += length_ms if kind != "no_speech" else 0
        return [lang for lang, length_ms in heard.most_common() if length_ms]


def read_facts(artifacts: Mapping[str, Artifact], rules: Mapping[str, str], audio: str) -> Facts:
    """Count the artifacts of one run."""
    read = {name: artifact.read_all(artifacts[name], columns) for name, columns in READS.items()}
    return replace(count(read, rules, audio), fingerprint=artifacts["shard_index"].fingerprint)


def count(read: Mapping[str, pa.Table], rules: Mapping[str, str], audio: str) -> Facts:
    """Count the tables of one run (READS); whose fingerprint they are of is not in them."""
    ledger, plan, index = (read[name].to_pylist() for name in ("ledger", "shard_plan", "shard_index"))
    recordings = {row["recording_id"]: row for row in read["recording"].to_pylist()}
    kept = [row for row in ledger if row["kept_ms"]]
    fetched = [row["fetched_ms"] for row in recordings.values() if row["fetched_ms"]]
    return Facts(
        fingerprint="",
        num_listed=len(ledger),
        states=Counter(row["state"] for row in ledger),
        rejected=Counter((row["state"], row["reason"]) for row in ledger if row["state"] != "accepted"),
        audio_ms=sum(row["duration_ms"] or 0 for row in ledger),
        kept_ms=sum(row["duration_ms"] for row in index),
        synthetic_ms=sum(row["duration_ms"] for row in index if row["is_synthetic"]),
        num_recordings=len({row["recording_id"] for row in plan}),
        num_samples=sum(row["num_samples"] for row in index),
        streams=_sum((row["split"], row["kind"], row["lang"], row["duration_ms"]) for row in index),
        licences=_sum((row["license"] or UNSTATED, _length_ms(row)) for row in plan),
        license_urls=sorted({row["license_url"] for row in plan if row["license_url"]}),
        captions=_sum((recordings[row["recording_id"]]["text_kind"] or UNSTATED, row["kept_ms"]) for row in kept),
        sources=_sum((row["source"], row["kept_ms"]) for row in kept),
        hosts=_sum((row["host"] or "local files", row["kept_ms"]) for row in kept),
        first_ms=min(fetched, default=None),
        last_ms=max(fetched, default=None),
        user_agents=sorted({row["user_agent"] for row in recordings.values() if row["user_agent"]}),
        rules=dict(rules),
        audio=audio,
        shards=tuple(Shard(uri=row["uri"], bytes=row["bytes"], sha256=row["sha256"]) for row in index),
    )


def _length_ms(row: Row) -> int:
    return int(row["end_ms"]) - int(row["start_ms"])


def _sum(rows: Any) -> dict[Any, int]:
    """Sum the last value of each row under what stands before it, a name or a tuple of names."""
    total = Counter[Any]()
    for *key, length_ms in rows:
        total[key[0] if len(key) == 1 else tuple(key)] += length_ms
    return dict(total.most_common())
