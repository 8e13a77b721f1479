"""How each measured column is distributed, among what is kept and what is rejected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.report.inputs import Threshold

NUM_BINS = 40
TAIL = 0.005  # values beyond this share on either side are counted in the outermost bins
ROOM = 0.06  # share of a histogram left beyond a limit
FAR = 10_000.0  # limits so many times the largest value are not drawn: they stand for no limit

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Windows whose value lies in [start, end)."""

    start: float
    end: float
    num_kept: int
    num_rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """The distribution of a column over the windows; the outermost bins hold everything beyond them."""

    family: str
    column: str
    doc: str
    is_bool: bool
    bins: tuple[Bin, ...]
    num_null: int
    median: float | None
    thresholds: tuple[Threshold, ...]


def signals(
    families: Mapping[str, pa.Table], kept: pa.ChunkedArray, thresholds: Sequence[Threshold]
) -> tuple[Signal, ...]:
    """Describe every number and every yes-or-no of every family, in the families' order."""
    is_kept = np.asarray(kept.to_numpy(), dtype=bool)
    return tuple(
        _signal(name, table, field, is_kept, tuple(item for item in thresholds if item.column == field.name))
        for name, table in families.items()
        for field in _measured(table.schema)
    )


def _measured(schema: pa.Schema) -> Iterator[pa.Field]:
    for field in schema:
        if pa.types.is_boolean(field.type) or pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
            yield field


def _signal(
    family: str, table: pa.Table, field: pa.Field, is_kept: NDArray[np.bool_], thresholds: tuple[Threshold, ...]
) -> Signal:
    is_bool = pa.types.is_boolean(field.type)
    column = pc.cast(table[field.name], pa.int8()) if is_bool else table[field.name]
    values: Values = np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
    has_value = np.isfinite(values)
    found = values[has_value]
    bins = _bins(found, is_kept[has_value], _edges(found, field.type, thresholds)) if len(found) else ()
    return Signal(
        family=family,
        column=field.name,
        doc=(field.metadata or {}).get(b"doc", b"").decode(),
        is_bool=is_bool,
        bins=bins,
        num_null=len(values) - len(found),
        median=float(np.median(found)) if len(found) else None,
        thresholds=thresholds,
    )


def _edges(values: Values, kind: pa.DataType, thresholds: Sequence[Threshold]) -> Values:
    """Return bin edges over the bulk of the values and every limit near it, with a little room beyond a limit."""
    if pa.types.is_boolean(kind):
        return np.arange(3.0)
    low, high = np.quantile(values, TAIL, method="lower"), np.quantile(values, 1 - TAIL, method="higher")
    reach = FAR * max(1.0, abs(low), abs(high))
    near = [float(limit) for item in thresholds for limit in item.keep.values() if abs(limit) <= reach]
    room = ROOM * (max(high, *near, low) - min(low, *near, high))
    low = min([low, *(limit - room for limit in near)])
    high = max([high, *(limit + room for limit in near)])
    if pa.types.is_integer(kind):
        low, width = math.floor(low), max(1, math.ceil((high + 1 - math.floor(low)) / NUM_BINS))
        return np.arange(low, math.floor(high) + 1 + width, width, dtype=np.float64)
    return np.linspace(low, high if high > low else low + 1, NUM_BINS + 1)


def _bins(values: Values, is_kept: NDArray[np.bool_], edges: Values) -> tuple[Bin, ...]:
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], edges[0]))
    kept, _ = np.histogram(inside[is_kept], edges)
    rejected, _ = np.histogram(inside[~is_kept], edges)
    return tuple(
        Bin(start=float(start), end=float(end), num_kept=int(yes), num_rejected=int(no))
        for start, end, yes, no in zip(edges[:-1], edges[1:], kept, rejected, strict=True)
    )
