"""The ledger's counts in one line and one small file, and what asking again has changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.ledger import RETRYABLE, describe_change, has_finished, latest_artifacts, publish_ledger
from pipeline import artifact, tables
from pipeline.artifact import Artifact
from pipeline.errors import UserError
from pipeline.schema import LEDGER


def test_the_counts_add_up_to_the_candidates(tmp_path: Path) -> None:
    place = Artifact(root_uri=str(tmp_path / "artifacts"), name="ledger", fingerprint="f")
    states = [("accepted", False)] * 3 + [("failed", True), ("failed", False), ("taken_down", False)]
    rows = [dict.fromkeys(LEDGER.names) | {"state": state, "is_retryable": again} for state, again in states]
    artifact.publish_unit(place, 0, {0: tables.from_rows(rows, LEDGER)}, ("state", "is_retryable"))
    artifact.publish_manifest(place, {}, 1)
    line = publish_ledger(str(tmp_path), place)
    counts = "3 accepted + 0 rejected + 2 failed (1 retryable) + 0 opted out + 1 taken down"
    assert line == f"ledger  6 candidates = {counts}"
    written = json.loads((tmp_path / "latest" / "ledger.json").read_text())
    assert (written["num_candidates"], sum(written["states"].values()), written["num_retryable"]) == (6, 6, 1)


def test_what_was_asked_again_is_counted_by_how_it_ended() -> None:
    before = {"a": RETRYABLE, "b": RETRYABLE, "c": RETRYABLE, "d": RETRYABLE, "e": "accepted", "f": "rejected"}
    after = {"a": "accepted", "b": RETRYABLE, "c": "failed", "e": "accepted", "f": "rejected", "g": "accepted"}
    assert describe_change(before, after) == (
        "asked again for 4 that had failed: 2 mended (1 accepted, 1 failed, 1 failed again, 1 no longer listed); "
        "1 candidates are new, 1 are no longer listed"
    )


def test_a_data_root_without_an_ingest_says_what_to_do(tmp_path: Path) -> None:
    assert not has_finished(str(tmp_path))
    with pytest.raises(UserError, match="holds no finished ingest; expected one; run make ingest first"):
        latest_artifacts(str(tmp_path))
