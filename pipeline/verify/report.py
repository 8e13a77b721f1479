"""The report: its numbers are those the manifests and the ledger give, which it was not made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pyarrow.compute as pc

from pipeline import artifact, store
from pipeline.verify.corpus import Corpus
from pipeline.verify.verdict import Tally, Verdict

POINTER = ("latest", "report.json")
COUNTED = (("states", "ledger", "state:"), ("statuses", "recording", "status:"))
SHARD_COLUMNS = ("num_samples", "duration_ms")
KEPT = "kept"

Counts = dict[str, int]


def the_report_says_what_the_manifests_do(corpus: Corpus) -> Verdict:
    """I14: candidates, windows and hours of the last report, by what became of them and why, come out a second way."""
    tally = Tally("I14", "the report counts what the manifests and the ledger count")
    report = _last_report(corpus)
    if report is None:
        tally.note("corpora without a report")
        return tally.verdict()
    for what, said, found in _pairs(corpus, report):
        tally.check(said == found, f"report says {said} {what}; the manifests say {found}")
    return tally.verdict()


def _last_report(corpus: Corpus) -> Mapping[str, Any] | None:
    uri = store.join(corpus.data_root, *POINTER)
    pointer: dict[str, Any] = json.loads(store.read_bytes(uri)) if store.exists(uri) else {}
    if "report_uri" not in pointer:
        return None
    beside = f"{pointer['report_uri'].removesuffix('.html')}.json"
    return cast(dict[str, Any], json.loads(store.read_bytes(beside))) if store.exists(beside) else None


def _pairs(corpus: Corpus, report: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield what is compared, the report's number and ours."""
    manifests = {name: artifact.read_manifest(place) for name, place in corpus.made.items()}
    yield "candidates", report["num_candidates"], manifests["candidate"]["rows"]
    yield "windows", report["windows"]["num"], manifests["segment"]["rows"]
    for what, name, prefix in COUNTED:
        yield what, _said(report[what]), _counted(manifests[name], prefix)
    reasons = _said([reason["first"] for reason in report["reasons"]]) | _some(KEPT, report[KEPT]["num"])
    yield "windows by reason", reasons, _counted(manifests["decision"], "reason:")
    audio_ms, kept_ms = _ledger_ms(corpus)
    yield "ms of audio", report["audio"]["duration_ms"], audio_ms
    yield "ms kept", report[KEPT]["duration_ms"], kept_ms
    samples = [(row["num_samples"], row["duration_ms"]) for row in corpus.rows("shard_index", SHARD_COLUMNS)]
    yield "samples", report["shards"]["num_samples"], sum(number for number, _ in samples)
    yield "ms in shards", report["shards"]["duration_ms"], sum(duration_ms for _, duration_ms in samples)


def _said(lines: list[dict[str, Any]]) -> Counts:
    return {line["name"]: line["num"] for line in lines if line["num"]}


def _some(name: str, number: int) -> Counts:
    return {name: number} if number else {}


def _counted(manifest: Mapping[str, Any], prefix: str) -> Counts:
    return {name.removeprefix(prefix): number for name, number in manifest["counts"].items() if name.startswith(prefix)}


def _ledger_ms(corpus: Corpus) -> tuple[int, int]:
    place, audio_ms, kept_ms = corpus.made["ledger"], 0, 0
    for number in range(artifact.num_parts(place)):
        table = artifact.read_part(place, number, ("duration_ms", "kept_ms"))
        audio_ms += pc.sum(table["duration_ms"]).as_py() or 0
        kept_ms += pc.sum(table["kept_ms"]).as_py() or 0
    return audio_ms, kept_ms
