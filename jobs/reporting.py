"""The data quality report of an ingest: written once for its artifacts, logged to MLflow, printed at the end."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from omegaconf import DictConfig, OmegaConf

from jobs.tracking import start_run
from pipeline import artifact, store
from pipeline.artifact import Artifact
from pipeline.dedup.tables import DEDUP_TABLES
from pipeline.report.html import to_html
from pipeline.report.inputs import ReportTables, Threshold
from pipeline.report.plain import to_json, to_terminal
from pipeline.report.summary import Summary, summarise
from pipeline.sources.embedded.labels import load_labels

MS_PER_HOUR = 3_600_000
TABLES = ("candidate", "recording", "segment", "cluster", "decision", "shard_index")
UNREAD = ("seed", "found", "takedown", "tombstone", "ledger", "shard_plan", "sound_print", "spoken", *DEDUP_TABLES)
LATEST_REPORT = "report.json"


def publish_report(cfg: DictConfig, artifacts: Mapping[str, Artifact], labels_root: Path | None) -> str:
    """Write the report of these artifacts unless it is there, point `latest` at both, and return the summary."""
    name = artifact.fingerprint({key: place.fingerprint for key, place in artifacts.items()})
    folder = store.join(cfg.data_root, "reports", name)
    summary_uri, shards = store.join(folder, "summary.txt"), artifacts["shard_index"]
    if not store.exists(summary_uri):
        summary = summarise(_inputs(cfg, artifacts, labels_root))
        files = {"report.html": to_html(summary), "report.json": to_json(summary)}
        _log(cfg, artifacts, summary, files)
        files["summary.txt"] = to_terminal(summary, store.join(folder, "report.html"), shards.uri)
        for file, text in files.items():
            store.publish(store.join(folder, file), text.encode())
    _point(cfg, "shards.json", {"shards_uri": shards.uri, "fingerprint": shards.fingerprint})
    made = {name: place.fingerprint for name, place in artifacts.items()}
    report = {"report_uri": store.join(folder, "report.html"), "summary_uri": summary_uri, "artifacts": made}
    _point(cfg, LATEST_REPORT, report)
    return store.read_bytes(summary_uri).decode()


def _inputs(cfg: DictConfig, artifacts: Mapping[str, Artifact], labels_root: Path | None) -> ReportTables:
    families = {name for name in artifacts if name not in (*TABLES, *UNREAD)}
    return ReportTables(
        **{name: artifact.read_all(artifacts[name]) for name in TABLES},
        families={name: artifact.read_all(artifacts[name]) for name in sorted(families)},
        labels=_labels(labels_root) if labels_root else None,
        thresholds=[_threshold(rule) for check in cfg.checks.values() for rule in check.rules],
        settings={"source": cfg.source.name, **{name: place.fingerprint for name, place in artifacts.items()}},
    )


def _threshold(rule: DictConfig) -> Threshold:
    keep: Any = OmegaConf.to_container(rule.keep)
    return Threshold(reason=rule.reason, column=rule.column, keep=keep, why=rule.why)


def _labels(root: Path) -> pa.Table:
    names = ("audio_url", "defect", "expected", "duplicate_of")
    return pa.Table.from_pylist([{name: getattr(label, name) for name in names} for label in load_labels(root)])


def _log(cfg: DictConfig, artifacts: Mapping[str, Artifact], summary: Summary, files: Mapping[str, str]) -> None:
    params: Any = OmegaConf.to_container(cfg, resolve=True)
    params["artifact"] = {name: place.fingerprint for name, place in artifacts.items()}
    with (
        start_run(cfg.tracking.uri, cfg.tracking.experiment, cfg.source.name, params) as run,
        tempfile.TemporaryDirectory() as folder,
    ):
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
            run.log_artifact(str(Path(folder) / name))
        run.log_metrics(
            {
                "candidates": summary.num_candidates,
                "windows": summary.windows.num,
                "windows_kept": summary.kept.num,
                "hours": summary.audio.duration_ms / MS_PER_HOUR,
                "hours_kept": summary.kept.duration_ms / MS_PER_HOUR,
            }
        )


def _point(cfg: DictConfig, name: str, value: Mapping[str, Any]) -> None:
    store.publish(store.join(cfg.data_root, "latest", name), json.dumps(value, indent=1).encode())
