"""A small run, written out: four recordings, seven windows, one of every fate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline import schema
from pipeline.audio import Pcm
from pipeline.report.clips import Room, furnish
from pipeline.report.inputs import Run, Threshold
from pipeline.report.summary import Summary

PAYLOAD = "</script><img src=x onerror=alert(1)>"
FAMILIES = ("audio_language", "machine_text", "timing")
ORDER = ["good", "loop", "same", "gone"]
CUES = [{"start_ms": 0, "end_ms": 1000, "text": PAYLOAD}]

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


Tables = dict[str, pa.Table]


def tables_of_run() -> Tables:
    """Build the run's tables; columns no test reads are null."""
    names = ("segment_id", "recording_id", "start_ms", "end_ms", "text")
    rows = [dict(zip(names, window[: len(names)], strict=True)) for window in WINDOWS]
    more = {"source": "s", "caption_status": "ok", "declared_lang": "sw", "cues": CUES}
    segments = [row | more | {"prev_segment_id": None if row["start_ms"] == 0 else "before"} for row in rows]
    clusters = [_cluster(segment_id, recording) for segment_id, recording, *_ in WINDOWS]
    timing = [{"segment_id": window[0], "chars_per_s": rate} for window, rate in zip(WINDOWS, RATES, strict=True)]
    machine = [
        {"segment_id": window[0], "origin": "machine" if window[1] == "loop" else None, "machine_probability": 0.1}
        | {"origin_evidence": PAYLOAD if window[1] == "loop" else None, "is_marked_machine": window[1] == "loop"}
        for window in WINDOWS
    ]
    heard = [{"segment_id": window[0], "claimed_lang": "sw", "audio_lang": window[7]} for window in WINDOWS]
    candidates = [{"candidate_id": row["recording_id"], "seed_url": f"http://h/{PAYLOAD}.xml"} for row in RECORDINGS]
    return {
        "candidate": _table(candidates, schema.CANDIDATE),
        "recording": _table([_fetched(row) for row in RECORDINGS], schema.RECORDING),
        "ledger": _table([_booked(row) for row in RECORDINGS], schema.LEDGER),
        "segment": _table(segments, schema.SEGMENT),
        "cluster": _table(clusters, schema.CLUSTER),
        "decision": _table([_decision(*window) for window in WINDOWS], schema.DECISION),
        "timing": _table(timing, schema.TIMING),
        "machine_text": _table(machine, schema.MACHINE_TEXT),
        "audio_language": _table(heard, schema.AUDIO_LANGUAGE),
    }


def run_of(tables: Tables, num_parts: int = 1, labels: Sequence[Mapping[str, Any]] = LABELS) -> Run:
    """Make a run of its tables, cut into parts by recording."""
    shard = {"shard_id": "a", "is_synthetic": False, "num_samples": 3, "bytes": 1_500_000, "duration_ms": 65_000}
    shards = [shard] if tables["candidate"].num_rows else []
    return Run(
        num_parts=num_parts,
        num_windows=tables["segment"].num_rows,
        families=FAMILIES,
        read=lambda name, number: _cut(tables[name], num_parts, number),
        shard_index=_table(shards, schema.SHARD_INDEX),
        labels=pa.Table.from_pylist(list(labels)) if labels else None,
        thresholds=(Threshold(reason="fast", column="chars_per_s", keep={"min": 1, "max": 30}, why=PAYLOAD),),
        settings={"source": PAYLOAD},
    )


def changed(tables: Tables, name: str, row: int, **values: Any) -> Tables:
    """Return the tables with other values in one row of one of them."""
    rows = tables[name].to_pylist()
    rows[row] |= values
    return tables | {name: pa.Table.from_pylist(rows, schema=tables[name].schema)}


def without(tables: Tables, name: str, row: int) -> Tables:
    """Return the tables with one row of one of them lost."""
    table = tables[name]
    return tables | {name: pa.concat_tables([table.slice(0, row), table.slice(row + 1)])}


def nothing() -> Tables:
    """Return the tables of a run that found nothing."""
    return {name: table.slice(0, 0) for name, table in tables_of_run().items()}


def silent_room(summary: Summary) -> Room:
    """Return the room of a run whose audio is gone."""
    return furnish(summary.drawn, _gone, 1_000_000)


def _gone(sha256: str) -> Pcm:
    raise FileNotFoundError(sha256)


def _cut(table: pa.Table, num_parts: int, number: int) -> pa.Table:
    """Part number of a table: its rows by the place of their recording."""
    if num_parts == 1:
        return table
    key = "candidate_id" if "candidate_id" in table.column_names else "segment_id"
    places = [ORDER.index(value.partition(":")[0]) * num_parts // len(ORDER) for value in table[key].to_pylist()]
    return table.filter(pa.array([place == number for place in places], pa.bool_()))


def _fetched(recording: Mapping[str, Any]) -> dict[str, Any]:
    return {**recording, "candidate_id": recording["recording_id"], "license": PAYLOAD, "sha256": "0"}


def _booked(recording: Mapping[str, Any]) -> dict[str, Any]:
    name = recording["recording_id"]
    states = {"good": ("accepted", "kept"), "gone": ("opted_out", PAYLOAD)}
    state, reason = states.get(name, ("rejected", "fast"))
    return {
        "candidate_id": name,
        "recording_id": name,
        "source": recording["source"],
        "host": PAYLOAD,
        "state": state,
        "reason": reason,
        "license": PAYLOAD,
        "duration_ms": recording.get("duration_ms"),
        "kept_ms": 65_000 if name == "good" else 0,
    }


def _cluster(segment_id: str, recording: str) -> dict[str, Any]:
    is_copy = recording == "same"
    return {
        "segment_id": segment_id,
        "is_representative": not is_copy,
        "method": "exact_audio",
        "partner_id": "good" if is_copy else None,
        "similarity": 0.98 if is_copy else None,
        "eval_set": "fleurs" if is_copy else None,
        "eval_item": PAYLOAD if is_copy else None,
    }


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
        "tasks": [kind] if kind else [],
        "lang": lang,
        "split": "train",
    }


def _table(rows: Sequence[Mapping[str, Any]], columns: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in columns.names} for row in rows], schema=columns)
