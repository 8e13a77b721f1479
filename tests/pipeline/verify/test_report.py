"""A report that counts otherwise than the manifests is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import artifact, store
from pipeline.artifact import Artifact
from pipeline.report.inputs import open_run
from pipeline.report.plain import to_json
from pipeline.report.summary import summarise
from pipeline.schema import SHARD_INDEX
from pipeline.verify.corpus import Corpus
from pipeline.verify.report import the_report_says_what_the_manifests_do
from tests.pipeline.report.run import tables_of_run

COUNTS = {"recording": ("status",), "ledger": ("state",), "decision": ("reason",)}
SHARD = {"shard_id": "a", "num_samples": 3, "bytes": 9, "duration_ms": 65_000}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    row = {name: SHARD.get(name) for name in SHARD_INDEX.names}
    tables = tables_of_run() | {"shard_index": pa.Table.from_pylist([row], schema=SHARD_INDEX)}
    made: dict[str, Artifact] = {}
    for name, table in tables.items():
        made[name] = Artifact(root_uri=str(tmp_path), name=name, fingerprint="f")
        artifact.publish_unit(made[name], 0, {0: table}, COUNTS.get(name, ()))
        artifact.publish_manifest(made[name], {}, 1)
    return Corpus(data_root=str(tmp_path), made=made)


def report_of(corpus: Corpus, change: Callable[[dict[str, Any]], object] = dict) -> None:
    report = json.loads(to_json(summarise(open_run(corpus.made, (), {}, None))))
    change(report)
    folder = store.join(corpus.data_root, "reports", "r")
    store.publish(store.join(folder, "report.json"), json.dumps(report).encode())
    pointer = {"report_uri": store.join(folder, "report.html")}
    store.publish(store.join(corpus.data_root, "latest", "report.json"), json.dumps(pointer).encode())


def test_a_report_is_what_the_manifests_say(corpus: Corpus) -> None:
    report_of(corpus)
    verdict = the_report_says_what_the_manifests_do(corpus)
    assert (verdict.num_bad, verdict.first) == (0, ()) and verdict.num_checked == 9


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda report: report.update(num_candidates=5), "report says 5 candidates; the manifests say 4"),
        (lambda report: report["windows"].update(num=8), "report says 8 windows; the manifests say 7"),
        (lambda report: report["states"].pop(), "states"),
        (lambda report: report["statuses"][0].update(num=2), "statuses"),
        (lambda report: report["reasons"].pop(), "windows by reason"),
        (lambda report: report["kept"].update(num=4), "windows by reason"),
        (lambda report: report["audio"].update(duration_ms=1), "ms of audio; the manifests say 120000"),
        (lambda report: report["kept"].update(duration_ms=1), "report says 1 ms kept; the manifests say 65000"),
        (lambda report: report["shards"].update(num_samples=2), "report says 2 samples; the manifests say 3"),
        (lambda report: report["shards"].update(duration_ms=2), "report says 2 ms in shards"),
    ],
)
def test_a_number_that_is_another_is_named(
    corpus: Corpus, change: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    report_of(corpus, change)
    [failure] = the_report_says_what_the_manifests_do(corpus).first
    assert complaint in failure


def test_a_corpus_without_a_report_is_noted(corpus: Corpus) -> None:
    assert the_report_says_what_the_manifests_do(corpus).notes == ("1 corpora without a report",)
