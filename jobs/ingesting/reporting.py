"""The data quality report of an ingest: written once for its artifacts, logged to MLflow, printed at the end."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from omegaconf import DictConfig, OmegaConf

from jobs.command.config import typed
from jobs.ingesting.cards import read_cards
from jobs.tracking.runs import start_run
from pipeline import artifact, store
from pipeline.artifact import Artifact
from pipeline.errors import unknown_name
from pipeline.report.changes import Changes, compare
from pipeline.report.clips import furnish, loader
from pipeline.report.html import to_html
from pipeline.report.inputs import Threshold, open_run
from pipeline.report.plain import to_json, to_terminal
from pipeline.report.summary import Summary, summarise
from pipeline.sources.embedded.labels import load_labels

MS_PER_HOUR = 3_600_000
LATEST_REPORT = "report.json"
REPORT_VERSION = 2  # another number writes the report of the same artifacts anew
HTML, JSON, SUMMARY = "report.html", "report.json", "summary.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """Bytes of sound and pictures in the page, and the report to compare with; null compares with the last one."""

    clip_bytes: int
    against: str | None


def publish_report(cfg: DictConfig, artifacts: Mapping[str, Artifact], labels_root: Path | None) -> str:
    """Write the report of these artifacts unless it is there, point `latest` at both, and return the summary."""
    options = typed(ReportOptions, cfg.report)
    made = {name: place.fingerprint for name, place in artifacts.items()}
    subject = artifact.fingerprint({"made": made, "version": REPORT_VERSION, "clip_bytes": options.clip_bytes})
    last = latest_report(cfg.data_root)
    if options.against is None and last and last.get("subject") == subject and store.exists(last["summary_uri"]):
        return store.read_bytes(last["summary_uri"]).decode()
    against = options.against or (_name(last) if last else None)
    folder = store.join(cfg.data_root, "reports", artifact.fingerprint({"subject": subject, "against": against}))
    summary_uri = store.join(folder, SUMMARY)
    if not store.exists(summary_uri):
        _write(cfg, artifacts, labels_root, folder, against)
    shards = artifacts["shard_index"]
    _point(cfg, "shards.json", {"shards_uri": shards.uri, "fingerprint": shards.fingerprint})
    pointer = {"report_uri": store.join(folder, HTML), "summary_uri": summary_uri, "subject": subject}
    told = {"source": cfg.source.name, "labels": str(labels_root) if labels_root else None}
    _point(cfg, LATEST_REPORT, pointer | told | {"artifacts": made})
    return store.read_bytes(summary_uri).decode()


def latest_report(data_root: str) -> dict[str, Any] | None:
    """Return what `latest` says of the last report; None before the first."""
    uri = store.join(data_root, "latest", LATEST_REPORT)
    return cast(dict[str, Any], json.loads(store.read_bytes(uri))) if store.exists(uri) else None


def _write(
    cfg: DictConfig, artifacts: Mapping[str, Artifact], labels_root: Path | None, folder: str, against: str | None
) -> None:
    """Write page, JSON and summary; the summary comes last and makes the report count."""
    settings = {"source": cfg.source.name, **{name: place.fingerprint for name, place in artifacts.items()}}
    thresholds = [_threshold(rule) for check in cfg.checks.values() for rule in check.rules]
    labels = _labels(labels_root) if labels_root else None
    summary = summarise(open_run(artifacts, thresholds, settings, labels))
    changes = _changes(cfg.data_root, against, summary, artifacts["decision"]) if against else None
    room = furnish(summary.drawn, loader(store.join(cfg.data_root, "blobs")), cfg.report.clip_bytes)
    files = {HTML: to_html(summary, room, changes), JSON: to_json(summary, changes)}
    for file, text in files.items():
        store.publish(store.join(folder, file), text.encode())
    _log(cfg, artifacts, summary, files | read_cards(artifacts["shard_index"]))
    text = to_terminal(summary, store.join(folder, HTML), artifacts["shard_index"].uri)
    store.publish(store.join(folder, SUMMARY), text.encode())


def _changes(data_root: str, against: str, summary: Summary, decision: Artifact) -> Changes:
    uri = store.join(data_root, "reports", against, JSON)
    if not store.exists(uri):
        raise unknown_name("report", against, store.list_names(store.join(data_root, "reports")))
    other = json.loads(store.read_bytes(uri))
    before = Artifact(root_uri=decision.root_uri, name="decision", fingerprint=other["settings"].get("decision", ""))
    has_both = bool(before.fingerprint) and artifact.is_complete(before)
    return compare(summary, against, other, (before, decision) if has_both else None)


def _name(pointer: Mapping[str, Any]) -> str:
    return str(pointer["report_uri"]).rsplit("/", 2)[-2]


def _threshold(rule: DictConfig) -> Threshold:
    keep: Any = OmegaConf.to_container(rule.keep)
    return Threshold(reason=rule.reason, column=rule.column, keep=keep, why=rule.why)


def _labels(root: Path) -> pa.Table:
    names = ("audio_url", "defect", "expected", "duplicate_of")
    return pa.Table.from_pylist([{name: getattr(label, name) for name in names} for label in load_labels(root)])


def _log(cfg: DictConfig, artifacts: Mapping[str, Artifact], summary: Summary, files: Mapping[str, str]) -> None:
    if cfg.tracking.uri is None:
        return
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
