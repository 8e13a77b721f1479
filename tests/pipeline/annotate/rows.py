"""Literal segments and recordings for the annotators' tests."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipeline import schema, tables

Span = tuple[int, int, str]


def cue(start_ms: int, end_ms: int, text: str = "words") -> dict[str, Any]:
    return {"start_ms": start_ms, "end_ms": end_ms, "text": text}


def segment(recording_id: str, start_ms: int, end_ms: int, *cues: dict[str, Any], **columns: Any) -> dict[str, Any]:
    text = " ".join(item["text"] for item in cues) or None
    return {
        **dict.fromkeys(schema.SEGMENT.names),
        "segment_id": f"{recording_id}:{start_ms}",
        "recording_id": recording_id,
        "start_ms": start_ms,
        "end_ms": end_ms,
        "text": text,
        "cues": list(cues) or None,
        "cut_ms": 0,
        **columns,
    }


def said(recording_id: str, *texts: str | None, **columns: Any) -> list[dict[str, Any]]:
    """One 10 s segment for each text, whose lines are its cues."""
    return [
        segment(
            recording_id,
            10_000 * index,
            10_000 * (index + 1),
            *[cue(0, 1000, line) for line in (text.split("\n") if text else [])],
            **columns,
        )
        for index, text in enumerate(texts)
    ]


def segment_table(*rows: dict[str, Any]) -> pa.Table:
    return tables.from_rows(rows, schema.SEGMENT)


def recording_table(*rows: dict[str, Any]) -> pa.Table:
    base = {**dict.fromkeys(schema.RECORDING.names), "status": "ok"}
    return tables.from_rows([{**base, **row} for row in rows], schema.RECORDING)
