"""Exploring a finished ingest: places ranked by the hours a model finds wrong, or without one by what rules reject."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hydra import compose, initialize_config_dir

from jobs.explore import main
from jobs.ingesting.exploring import LastRun, source_lines
from pipeline import artifact, schema
from pipeline.artifact import Artifact
from pipeline.errors import UserError
from tests.contract.tree import ROOT

HOUR = 3_600_000
# Recording, host, hours, reason, text, error rate of a model.
WINDOWS = [
    ("a", "good.test", 2, "kept", "rain", 0.1),
    ("a", "good.test", 2, "noisy", "sun", 0.3),
    ("b", "wrong.test", 1, "kept", "wind", 3.0),  # more errors than letters are all wrong, not more
    ("b", "wrong.test", 1, "kept", "snow", 0.5),
    ("b", "wrong.test", 9, "no_speech", None, None),  # no text that could be wrong
    ("c", None, 1, "kept", "fog", None),  # a language the model does not know: kept is right
    ("c", None, 1, "music", "hail", None),
]
HEADER = "  wrong h    hours   error  level   name (most rejected for)"


def publish(root: Path, name: str, rows: list[dict[str, Any]], table: pa.Schema) -> str:
    full = [dict.fromkeys(table.names) | row for row in rows]
    place = Artifact(root_uri=str(root / "artifacts"), name=name, fingerprint="f")
    artifact.publish_unit(place, 0, {0: pa.Table.from_pylist(full, schema=table)}, ())
    artifact.publish_manifest(place, {}, 1)
    return place.fingerprint


def ingested(root: Path, has_agreement: bool) -> Path:
    """Publish what the ranking reads of a finished ingest."""
    ids = [f"{window[0]}:{number}" for number, window in enumerate(WINDOWS)]
    hosts = {window[0]: window[1] for window in WINDOWS}
    rows: dict[str, tuple[list[dict[str, Any]], pa.Schema]] = {
        "decision": (
            [
                {"segment_id": key, "recording_id": name, "duration_ms": hours * HOUR, "reason": reason}
                for key, (name, _, hours, reason, _, _) in zip(ids, WINDOWS, strict=True)
            ],
            schema.DECISION,
        ),
        "segment": (
            [{"segment_id": key, "text": window[4]} for key, window in zip(ids, WINDOWS, strict=True)],
            schema.SEGMENT,
        ),
        "ledger": (
            [{"recording_id": name, "source": "web", "host": host} for name, host in hosts.items()],
            schema.LEDGER,
        ),
        "candidate": (
            [{"seed_url": f"feed-{name}" if host else None} for name, host in hosts.items()],
            schema.CANDIDATE,
        ),
    }
    if has_agreement:
        measured = [{"segment_id": key, "error_rate": window[5]} for key, window in zip(ids, WINDOWS, strict=True)]
        rows["agreement"] = (measured, schema.AGREEMENT)
    made = {name: publish(root, name, *given) for name, given in rows.items()}
    (root / "latest").mkdir()
    (root / "latest" / "report.json").write_text(json.dumps({"artifacts": made}))
    return root


def test_places_are_ranked_by_the_hours_that_a_model_finds_wrong(tmp_path: Path) -> None:
    run = LastRun.of(str(ingested(tmp_path, has_agreement=True)))
    assert list(source_lines(run, 10)) == [
        HEADER,
        "    3.300    8.000   41.2%  source  web (noisy)",
        "    1.500    2.000   75.0%  feed    feed-b",
        "    1.500    2.000   75.0%  host    wrong.test",
        "    0.800    4.000   20.0%  feed    feed-a (noisy)",
        "    0.800    4.000   20.0%  host    good.test (noisy)",
    ]


def test_without_a_model_the_hours_that_rules_reject_are_wrong(tmp_path: Path) -> None:
    run = LastRun.of(str(ingested(tmp_path, has_agreement=False)))
    assert list(source_lines(run, 3)) == [
        HEADER,
        "    3.000    8.000   37.5%  source  web (noisy)",
        "    2.000    4.000   50.0%  feed    feed-a (noisy)",
        "    2.000    4.000   50.0%  host    good.test (noisy)",
    ]


def test_the_job_prints_the_view_of_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [f"data_root={ingested(tmp_path, has_agreement=True)}", "view=sources", "num_places=1"]
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        main(compose("explore", given))
    assert capsys.readouterr().out.splitlines() == [HEADER, "    3.300    8.000   41.2%  source  web (noisy)"]


def test_before_the_first_ingest_there_is_nothing_to_explore(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no report; expected a finished ingest; run make ingest"):
        LastRun.of(str(tmp_path))
