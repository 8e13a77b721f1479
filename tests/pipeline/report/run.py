"""A small run, written out: four recordings, seven windows, one of every fate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline import schema
from pipeline.report.inputs import ReportTables, Threshold

PAYLOAD = "</script><img src=x onerror=alert(1)>"

RECORDINGS = [
    {
        "recording_id": "good",
        "source": "s",
        "status": "ok",
        "audio_url": "http://h/audio/good.mp3",
        "duration_ms": 70_000,
    },
    {
        "recording_id": "loop",
        "source": "s",
        "status": "ok",
        "audio_url": "http://h/audio/loop.mp3",
        "duration_ms": 20_000,
    },
    {
        "recording_id": "same",
        "source": "s",
        "status": "ok",
        "audio_url": "http://h/audio/same.mp3",
        "duration_ms": 30_000,
    },
    {"recording_id": "gone", "source": PAYLOAD, "status": "http_404", "status_detail": PAYLOAD, "title": PAYLOAD},
]
# segment_id, recording, start, end, text, kind, reasons, lang
WINDOWS = [
    ("good:0", "good", 0, 30_000, "one", "transcribe", [], "sw"),
    ("good:30000", "good", 30_000, 50_000, "two", "translate", [], "sw"),
    ("good:55000", "good", 55_000, 70_000, None, "no_speech", [], "und"),
    ("loop:0", "loop", 0, 10_000, PAYLOAD, None, ["repeated_lines", "fast"], "en"),
    ("loop:10000", "loop", 10_000, 18_000, "again", None, ["repeated_lines"], "en"),
    ("same:0", "same", 0, 20_000, "one", None, ["duplicate:exact_audio"], "sw"),
    ("same:20000", "same", 20_000, 30_000, "two", None, ["fast", "duplicate:exact_audio"], "sw"),
]
LABELS = [
    {"audio_url": "audio/good.mp3", "defect": "clean", "expected": "transcribe"},
    {"audio_url": "audio/loop.mp3", "defect": "loop", "expected": "rejected:repetition"},
    {"audio_url": "audio/same.mp3", "defect": "clean", "expected": "transcribe"},
]
RATES = [12.0, 13.0, None, 40.0, 14.0, 15.0, 41.0]


def tables_of_run() -> ReportTables:
    """Build the run's tables; columns no test reads are null."""
    names = ("segment_id", "recording_id", "start_ms", "end_ms", "text")
    rows = [dict(zip(names, window[: len(names)], strict=True)) for window in WINDOWS]
    segments = [row | {"source": "s", "caption_status": "ok"} for row in rows]
    decisions = [_decision(*window) for window in WINDOWS]
    clusters = [
        {
            "segment_id": segment_id,
            "is_representative": recording != "same",
            "method": "exact_audio",
            "eval_set": "fleurs" if recording == "same" else None,
        }
        for segment_id, recording, *_ in WINDOWS
    ]
    timing = [{"segment_id": window[0], "chars_per_s": rate} for window, rate in zip(WINDOWS, RATES, strict=True)]
    shard = {"shard_id": "a", "num_samples": 3, "bytes": 1_500_000, "duration_ms": 65_000}
    return ReportTables(
        candidate=_table([{"candidate_id": row["recording_id"]} for row in RECORDINGS], schema.CANDIDATE),
        recording=_table(RECORDINGS, schema.RECORDING),
        segment=_table(segments, schema.SEGMENT),
        families={"timing": _table(timing, schema.TIMING)},
        cluster=_table(clusters, schema.CLUSTER),
        decision=_table(decisions, schema.DECISION),
        shard_index=_table([shard], schema.SHARD_INDEX),
        labels=pa.Table.from_pylist(LABELS),
        thresholds=(Threshold(reason="fast", column="chars_per_s", keep={"min": 1, "max": 30}, why="measured"),),
        settings={"source": PAYLOAD},
    )


def without(inputs: ReportTables, name: str, row: int) -> ReportTables:
    """Return the run with one row of one table lost."""
    table: pa.Table = getattr(inputs, name)
    return replace(inputs, **{name: pa.concat_tables([table.slice(0, row), table.slice(row + 1)])})


def nothing() -> ReportTables:
    """Return a run that found nothing."""
    inputs = tables_of_run()
    names = ("candidate", "recording", "segment", "cluster", "decision", "shard_index", "labels")
    empty = {name: getattr(inputs, name).slice(0, 0) for name in names}
    return replace(inputs, **empty, families={"timing": inputs.families["timing"].slice(0, 0)})


def _decision(
    segment_id: str, recording_id: str, start_ms: int, end_ms: int, text: str | None, *verdict: Any
) -> dict[str, Any]:
    kind, reasons, lang = verdict
    return {
        "segment_id": segment_id,
        "recording_id": recording_id,
        "duration_ms": end_ms - start_ms,
        "kept": not reasons,
        "reason": reasons[0] if reasons else "kept",
        "reasons": reasons,
        "kind": kind,
        "lang": lang,
        "split": "train",
    }


def _table(rows: Sequence[Mapping[str, Any]], columns: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in columns.names} for row in rows], schema=columns)
