"""An output is named by what made it and counts only once its manifest is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import artifact, tables
from pipeline.artifact import Artifact
from pipeline.errors import DataError
from pipeline.schema import CLUSTER

ROW = {
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
