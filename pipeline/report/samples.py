"""Rows drawn by lot to be looked at: the same ones for the same run, in whatever order its parts come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.ids import number_of
from pipeline.redact import public_url
from pipeline.report.inputs import Part, Threshold

WINDOWS_PER_GROUP = 12  # more than are shown: some may have lost their audio
FAILURES_PER_STATUS = 5
PAIRS_PER_METHOD = 8
MAX_LOT = 1 << 64

Lots = NDArray[np.uint64]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """A cue, relative to its window's start."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a rule looks at in a window; `is_beyond` when the rule rejects it for this."""

    column: str
    value: float | bool
    is_beyond: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window to be read and listened to. `group` is its first reason, or 'kept: ' and its kind."""

    group: str
    segment_id: str
    recording_id: str
    start_ms: int
    end_ms: int
    reasons: tuple[str, ...]
    kind: str
    lang: str
    text_lang: str
    text: str
    cues: tuple[Cue, ...]
    measured: tuple[Measured, ...]
    title: str
    audio_url: str
    page_url: str
    license: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A recording without decodable audio."""

    audio_url: str
    title: str
    source: str
    status: str
    detail: str
    is_retryable: bool


class Draw:
    """Keeps of each group the rows with the lowest lots, each of another owner."""

    def __init__(self, most: int) -> None:
        """Start with nothing drawn."""
        self._most = most
        self._drawn: dict[str, dict[str, tuple[int, Any]]] = {}

    def wants(self, group: str, lot: int) -> bool:
        """Tell whether a row with this lot would be kept, so that others need not be made."""
        drawn = self._drawn.get(group, {})
        return len(drawn) < self._most or lot < max(other for other, _ in drawn.values())

    def add(self, group: str, lot: int, owner: str, row: Any) -> None:
        """Offer a row."""
        drawn = self._drawn.setdefault(group, {})
        if owner not in drawn or lot < drawn[owner][0]:
            drawn[owner] = (lot, row)
        if len(drawn) > self._most:
            del drawn[max(drawn, key=lambda name: drawn[name][0])]

    def groups(self) -> dict[str, list[Any]]:
        """Return what was drawn of each group, in the order of the lots."""
        return {
            group: [row for _, row in sorted(drawn.values(), key=lambda pair: pair[0])]
            for group, drawn in sorted(self._drawn.items())
        }


def lots(names: Iterable[str]) -> Lots:
    """Give each name its lot, a number of 64 bits."""
    return np.fromiter(map(number_of, names), dtype=np.uint64)


def lowest(groups: Sequence[str], drawn_lots: Lots, most: int) -> Iterator[tuple[str, int]]:
    """Yield group and row number of the rows of each group with the lowest lots, `most` of each."""
    named = np.asarray(groups, dtype=object)
    for group in sorted(set(groups)):
        rows = np.flatnonzero(named == group)
        for row in rows[np.argsort(drawn_lots[rows], kind="stable")[:most]]:
            yield group, int(row)


def window_of(row: Mapping[str, Any], group: str, recording: Mapping[str, Any], measured: Sequence[Measured]) -> Window:
    """Make a window to be shown of its row in segment and decision."""
    return Window(
        group=group,
        segment_id=row["segment_id"],
        recording_id=row["recording_id"],
        start_ms=row["start_ms"],
        end_ms=row["end_ms"],
        reasons=tuple(row["reasons"] or ()),
        kind=row["kind"] or "",
        lang=row["lang"] or "",
        text_lang=row["text_lang"] or "",
        text=row["text"] or "",
        cues=tuple(Cue(**cue) for cue in row["cues"] or ()),
        measured=tuple(measured),
        title=recording["title"] or "",
        audio_url=public_url(recording["audio_url"] or ""),
        page_url=public_url(recording["page_url"] or ""),
        license=recording["license"] or "",
        sha256=recording["sha256"] or "",
    )


def measured_at(part: Part, number: int, thresholds: Sequence[Threshold], reasons: Sequence[str]) -> list[Measured]:
    """Return what the rules look at in window `number` of a part, where it was measured; what rejects it first."""
    columns = {item.column for item in thresholds}
    values: Row = {}
    for family in part.families.values():
        [row] = rows_at(family.select([name for name in family.column_names if name in columns]), [number]) or [{}]
        values |= row
    beyond = {item.column for item in thresholds if item.reason in reasons}
    found = [
        Measured(column=column, value=value, is_beyond=column in beyond)
        for column, value in values.items()
        if isinstance(value, (bool, int, float))
    ]
    return sorted(found, key=lambda item: not item.is_beyond)


def failure_of(row: Mapping[str, Any]) -> Failure:
    """Make a failure to be shown of its recording."""
    return Failure(
        audio_url=public_url(row["audio_url"] or row["page_url"] or ""),
        title=row["title"] or "",
        source=row["source"] or "",
        status=row["status"],
        detail=row["status_detail"] or "",
        is_retryable=bool(row["is_retryable"]),
    )


def rows_at(table: pa.Table, numbers: Sequence[int]) -> list[Row]:
    """Return some rows of a table."""
    return table.take(pa.array(numbers, pa.int64())).to_pylist()
