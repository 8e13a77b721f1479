"""Counting rows and milliseconds of a table by one column or two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Rows and audio under one name."""

    name: str
    num: int
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Rows and audio under two names: those of a cross table."""

    row: str
    column: str
    num: int
    duration_ms: int


def tally(table: pa.Table, column: str) -> tuple[Tally, ...]:
    """Count a table by a column, most audio first; null counts as 'unknown'."""
    counts = _count(table, [column])
    lines = [Tally(name=row[column], num=row["num"], duration_ms=row["duration_ms"]) for row in counts]
    return tuple(sorted(lines, key=lambda line: (-line.duration_ms, -line.num, line.name)))


def crosstab(table: pa.Table, row: str, column: str) -> tuple[Cell, ...]:
    """Count a table by two columns, in the order of their names; null counts as 'unknown'."""
    counts = _count(table, [row, column])
    cells = [
        Cell(row=line[row], column=line[column], num=line["num"], duration_ms=line["duration_ms"]) for line in counts
    ]
    return tuple(sorted(cells, key=lambda cell: (cell.row, cell.column)))


def total_ms(table: pa.Table) -> int:
    """Sum the durations of a table."""
    return int(pc.sum(table["duration_ms"]).as_py() or 0)


def _count(table: pa.Table, columns: list[str]) -> list[dict[str, Any]]:
    keys = {column: pc.fill_null(table[column], UNKNOWN) for column in columns}
    keyed = pa.table({**keys, "duration_ms": table["duration_ms"]})
    counted = keyed.group_by(columns).aggregate([([], "count_all"), ("duration_ms", "sum")])
    counted = counted.rename_columns([*columns, "num", "duration_ms"])
    return counted.set_column(len(columns) + 1, "duration_ms", pc.fill_null(counted["duration_ms"], 0)).to_pylist()
