"""An output is named by what made it and counts only once its manifest is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import artifact, store, tables
from pipeline.artifact import Artifact
from pipeline.errors import DataError
from pipeline.schema import CANDIDATE, CLUSTER

ROW = dict.fromkeys(CLUSTER.names) | {
    "segment_id": "a:0",
    "cluster_id": "a",
    "is_representative": True,
    "method": "unique",
    "partner_id": None,
    "similarity": None,
}


def place(root: Path) -> Artifact:
    return Artifact(root_uri=str(root), name="cluster", fingerprint="f" * 16)


def test_a_fingerprint_depends_on_every_setting_and_not_on_key_order() -> None:
    one = artifact.fingerprint({"name": "x", "config": {"a": 1, "b": 2}})
    assert one == artifact.fingerprint({"config": {"b": 2, "a": 1}, "name": "x"})
    assert one != artifact.fingerprint({"name": "x", "config": {"a": 1, "b": 3}})
    assert len(one) == artifact.FINGERPRINT_CHARS


def test_a_unit_counts_only_with_its_receipt(tmp_path: Path) -> None:
    target = place(tmp_path)
    table = tables.from_rows([ROW], CLUSTER)
    artifact.publish_unit(target, 0, {0: table}, ("method",))
    (Path(target.uri) / artifact.part_name(1)).write_bytes(b"remains of a killed unit")
    assert artifact.published_units(target) == {0}
    assert not artifact.is_complete(target)


def test_the_manifest_adds_up_rows_and_counts_of_all_units(tmp_path: Path) -> None:
    target = place(tmp_path)
    for unit, method in enumerate(("unique", "exact_audio")):
        table = tables.from_rows([ROW | {"method": method}] * (unit + 1), CLUSTER)
        artifact.publish_unit(target, unit, {unit: table}, ("method",))
    manifest = artifact.publish_manifest(target, {"name": "cluster"}, 2)
    assert manifest["rows"] == 3
    assert manifest["counts"] == {"method:exact_audio": 2, "method:unique": 1}
    assert artifact.num_parts(target) == 2
    assert artifact.read_all(target, ["method"]).to_pydict() == {"method": ["unique", "exact_audio", "exact_audio"]}


def test_reading_an_unfinished_artifact_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no _MANIFEST.json; expected a finished one; run ingest again"):
        artifact.read_manifest(place(tmp_path))


def test_the_times_of_a_run_are_not_part_of_what_a_part_holds(tmp_path: Path) -> None:
    contents: list[str] = []
    for run, values in enumerate(({"discovered_ms": 1}, {"discovered_ms": 2}, {"title": "another"})):
        target = Artifact(root_uri=str(tmp_path), name="candidate", fingerprint=f"{run:016d}")
        row = dict.fromkeys(CANDIDATE.names) | {"candidate_id": "c", "status": "ok", "is_retryable": False} | values
        artifact.publish_unit(target, 0, {0: tables.from_rows([row], CANDIDATE)}, ())
        artifact.publish_manifest(target, {}, 1)
        contents += artifact.part_contents(target)
    assert contents[0] == contents[1] != contents[2]


def test_the_parts_of_an_old_manifest_are_known_by_their_files(tmp_path: Path) -> None:
    target = place(tmp_path)
    old = {"parts": [{"name": "part-00000.parquet", "rows": 1, "sha256": "ab", "counts": {}}]}
    store.publish(f"{target.uri}/{artifact.MANIFEST}", json.dumps(old).encode())
    assert artifact.part_contents(target) == ["ab"]
