"""Counting rows and milliseconds by one column or several, part by part, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

UNKNOWN = "unknown"
OTHERS = "others"
MAX_NAMES = 5_000  # kept apart; the smallest beyond are counted together, so that sums stay exact

Names = tuple[str, ...]


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


class Counts:
    """Counts rows and milliseconds by the values of some columns; null counts as 'unknown'."""

    def __init__(self, *columns: str, max_names: int = MAX_NAMES) -> None:
        """Start with nothing counted."""
        self._columns = columns
        self._max_names = max_names
        self._sums: dict[Names, tuple[int, int]] = {}

    def add(self, table: pa.Table) -> None:
        """Count the rows of a table with these columns and duration_ms."""
        for row in _group(table, self._columns):
            self._add(tuple(row[column] for column in self._columns), row["num"], row["duration_ms"])
        if len(self._sums) > 2 * self._max_names:
            self._gather_the_smallest()

    def tallies(self) -> tuple[Tally, ...]:
        """Return the counts by the first column, most audio first."""
        sums = Counts(self._columns[0])
        for names, (num, duration_ms) in self._sums.items():
            sums._add(names[:1], num, duration_ms)
        lines = [Tally(name=names[0], num=num, duration_ms=ms) for names, (num, ms) in sums._sums.items()]
        return by_audio(lines)

    def cells(self) -> tuple[Cell, ...]:
        """Return the counts by the first two columns, in the order of their names."""
        cells = [
            Cell(row=names[0], column=names[1], num=num, duration_ms=ms) for names, (num, ms) in self._sums.items()
        ]
        return tuple(sorted(cells, key=lambda cell: (cell.row, cell.column)))

    def _add(self, names: Names, num: int, duration_ms: int) -> None:
        seen = self._sums.get(names, (0, 0))
        self._sums[names] = (seen[0] + num, seen[1] + duration_ms)

    def _gather_the_smallest(self) -> None:
        ordered = sorted(self._sums.items(), key=lambda pair: (-pair[1][1], -pair[1][0], pair[0]))
        self._sums = dict(ordered[: self._max_names])
        for names, (num, duration_ms) in ordered[self._max_names :]:
            self._add((OTHERS, *names[1:]), num, duration_ms)


def by_audio(lines: Iterable[Tally]) -> tuple[Tally, ...]:
    """Order lines by audio, then rows, then name."""
    return tuple(sorted(lines, key=lambda line: (-line.duration_ms, -line.num, line.name)))


def total(name: str, lines: Iterable[Tally | Cell]) -> Tally:
    """Add lines up under a name."""
    listed = list(lines)
    return Tally(name=name, num=sum(line.num for line in listed), duration_ms=sum(line.duration_ms for line in listed))


def _group(table: pa.Table, columns: Sequence[str]) -> list[dict[str, Any]]:
    keys = {column: pc.fill_null(pc.cast(table[column], pa.string()), UNKNOWN) for column in columns}
    keyed = pa.table({**keys, "duration_ms": pc.fill_null(table["duration_ms"], 0)})
    counted = keyed.group_by(list(columns)).aggregate([([], "count_all"), ("duration_ms", "sum")])
    return counted.rename_columns([*columns, "num", "duration_ms"]).to_pylist()
