"""A few rows a person can look at: windows by reason, recordings that failed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

EXAMPLES_PER_REASON = 3
FAILURES_PER_STATUS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A rejected window, as a person finds it again."""

    segment_id: str
    title: str
    audio_url: str
    start_ms: int
    lang: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A recording without decodable audio."""

    audio_url: str
    title: str
    source: str
    status: str
    detail: str
    is_retryable: bool


def examples_by_reason(rejected: pa.Table, recordings: pa.Table) -> dict[str, tuple[Example, ...]]:
    """Take the first windows of each first reason, each from another recording, in the order of their ids."""
    columns = ["segment_id", "recording_id", "start_ms", "lang", "text", "reason"]
    picked: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in rejected.select(columns).sort_by("segment_id").to_pylist():
        chosen = picked[row["reason"]]
        if len(chosen) < EXAMPLES_PER_REASON:
            chosen.setdefault(row["recording_id"], row)
    wanted = pa.array([key for chosen in picked.values() for key in chosen], pa.string())
    about = recordings.filter(pc.is_in(recordings["recording_id"], value_set=wanted)).to_pylist()
    by_id = {row["recording_id"]: row for row in about}
    return {
        reason: tuple(_example(row, by_id[recording_id]) for recording_id, row in chosen.items())
        for reason, chosen in picked.items()
    }


def sample_failures(recordings: pa.Table) -> tuple[Failure, ...]:
    """Take the first recordings of each failing status, in the order of status and address."""
    failed = recordings.filter(pc.not_equal(recordings["status"], "ok"))
    taken: dict[str, list[Failure]] = defaultdict(list)
    for row in failed.sort_by([("status", "ascending"), ("audio_url", "ascending")]).to_pylist():
        if len(taken[row["status"]]) < FAILURES_PER_STATUS:
            taken[row["status"]].append(_failure(row))
    return tuple(failure for failures in taken.values() for failure in failures)


def _example(window: dict[str, Any], recording: dict[str, Any]) -> Example:
    return Example(
        segment_id=window["segment_id"],
        title=recording["title"] or "",
        audio_url=recording["audio_url"] or "",
        start_ms=window["start_ms"],
        lang=window["lang"] or "",
        text=window["text"] or "",
    )


def _failure(row: dict[str, Any]) -> Failure:
    return Failure(
        audio_url=row["audio_url"] or "",
        title=row["title"] or "",
        source=row["source"] or "",
        status=row["status"],
        detail=row["status_detail"] or "",
        is_retryable=bool(row["is_retryable"]),
    )
