"""A whole corpus of a few tones, on disk as ingest leaves it, to be damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import artifact, store, tables
from pipeline.artifact import Artifact
from pipeline.schema import CANDIDATE, LEDGER, TABLES
from pipeline.verify.corpus import Corpus
from tests.model.tiny_shards import Window, windows, write_shards

Row = dict[str, Any]
PAIRS = (("transcribe", "sw"), ("no_speech", "und"))
REJECTED = Window(kind="transcribe", lang="sw", number=99)
ROBOTS = b"User-agent: *\nDisallow: /private/\n"
URL = "http://tones.test/transcribe/sw/0.flac"
NOON_MS = 1_700_000_000_000


def make(root: Path) -> Corpus:
    """Write four accepted candidates and a rejected one, their shards, a robots.txt and an answer."""
    samples = windows(PAIRS, each=2)
    made = {"shard_index": as_artifact(write_shards(root / "artifacts", samples, splits=("train",)))}
    rows = [ledger_row(sample, "accepted") for sample in samples] + [ledger_row(REJECTED, "rejected")]
    for name, schema in (("candidate", CANDIDATE), ("ledger", LEDGER)):
        made[name] = Artifact(root_uri=str(root / "artifacts"), name=name, fingerprint="f" * 16)
        known = [{key: row.get(key) for key in schema.names} for row in rows]
        publish(made[name], [tables.from_rows(known, schema)])
    decision = Artifact(root_uri=str(root / "artifacts"), name="decision", fingerprint="none")
    publish(decision, [], {"config": {"checks": []}})
    corpus = Corpus(data_root=str(root), made=made)
    answer(corpus)
    store.publish(store.join(str(root), "reports", "r", "report.html"), b"<p>fine</p>")
    return corpus


def ledger_row(sample: Window, state: str) -> Row:
    is_kept = state == "accepted"
    url = sample.origin()["urls"][0]
    return {
        "candidate_id": f"of-{sample.segment_id}",
        "recording_id": sample.segment_id,
        "page_url": "http://tones.test/",
        "audio_url": url,
        "state": state,
        "reason": "kept" if is_kept else "silence",
        "license": "CC0-1.0",
        "num_kept": int(is_kept),
    }


def hop(**changes: Any) -> Row:
    made = {
        "url": URL,
        "started_ms": NOON_MS,
        "http_status": 200,
        "peer": "93.184.216.34:80",
        "robots_verdict": "allowed",
        "robots_checked_ms": NOON_MS - 1000,
    }
    return made | changes


def answer(corpus: Corpus, robots: bytes = ROBOTS, hops: list[Row] | None = None, **changes: Any) -> None:
    """Store what became of one address, with the robots.txt it was asked by."""
    digest = store.put_blob(corpus.blobs_uri, robots)
    hops = [hop()] if hops is None else hops
    content = {
        "url": URL,
        "status": "ok",
        "http_status": 200,
        "user_agent": "sotto/0.1 (+me)",
        "hops": [{"robots_sha256": digest} | one for one in hops],
    }
    store.publish(store.join(corpus.blobs_uri, "by-url", "a.json"), json.dumps(content | changes).encode())


def publish(place: Artifact, parts: list[pa.Table], identity: Mapping[str, Any] | None = None) -> None:
    artifact.publish_unit(place, 0, dict(enumerate(parts)), ())
    artifact.publish_manifest(place, identity or {}, 1)


def as_artifact(uri: str) -> Artifact:
    root_uri, name, fingerprint = uri.rsplit("/", 2)
    return Artifact(root_uri=root_uri, name=name, fingerprint=fingerprint)


def rewrite(corpus: Corpus, name: str, change: Callable[[Row], Row]) -> None:
    """Change every row of an artifact, with manifests that fit."""
    place = corpus.made[name]
    for number in range(artifact.num_parts(place)):
        rows = [change(row) for row in artifact.read_part(place, number).to_pylist()]
        artifact.publish_unit(place, number, {number: tables.from_rows(rows, TABLES[name])}, ())
    artifact.publish_manifest(place, {}, artifact.num_parts(place))


def tars(corpus: Corpus) -> list[Path]:
    return sorted(Path(corpus.made["shard_index"].uri).rglob("*.tar"))
