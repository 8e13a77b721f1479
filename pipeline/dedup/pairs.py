"""Pair: recordings that meet in a bucket may be duplicates; each partition of the keys is looked through on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.dedup import tables as t
from pipeline.dedup.buckets import meeting
from pipeline.dedup.compiled import compiled
from pipeline.dedup.config import DedupConfig
from pipeline.stage import PART, Context, Output, Stage, Tables

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

# A bucket of more members is a template or a hit: then every member is paired with the first and its next ones only,
# in an order that does not depend on arrival. Each pair is verified, so true duplicates still join hands.
MAX_FULL = 32
NEIGHBOURS = 8


def pair_stage(config: DedupConfig) -> Stage:
    """Build the stage that finds the recordings sharing a key."""
    return Stage(
        name="pair",
        reads={"bucket": None},
        outputs=(Output(name="pair", schema=t.PAIR, version=1, count_by=("method",)),),
        run=Pair(),
        conserve=_only_known_methods,
        partitions=config.partitions,
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """The pair stage's function."""

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Pair the members of each bucket of one partition."""
        bucket = inputs["bucket"]
        rows = bucket.take(pa.array(meeting(bucket["key"].to_numpy())))
        rows = rows.take(pa.array(np.argsort(rows["key"].to_numpy())))
        keys, methods = rows["key"].to_numpy(), rows["method"].to_numpy()
        starts = np.flatnonzero(np.append(np.append(True, keys[1:] != keys[:-1])[: len(keys)], True))
        one, other, number = _pairs(_in_order(rows, starts), methods, starts, t.PHRASE)
        first = distinct(one, other, number)
        columns = {"one": one[first], "other": other[first], "method": number[first]}
        return {"pair": [pa.table(columns, schema=t.PAIR)]}


def distinct(*columns: NDArray[np.generic]) -> I64:
    """Return the places of rows that differ from each other, sorted by the first column, then the next ones."""
    order = np.lexsort(columns[::-1])
    is_new = np.zeros(len(order), bool)
    is_new[:1] = True
    for column in columns:
        is_new[1:] |= column[order[1:]] != column[order[:-1]]
    return order[is_new]


def _in_order(rows: pa.Table, starts: I64) -> U64:
    """Return the places of recordings sorted by key; those of a bucket too large for all its pairs by their order."""
    places = (rows[PART].to_numpy().astype(np.uint64) << np.uint64(t.ROW_BITS)) | rows["row"].to_numpy()
    sizes = np.diff(starts)
    large = np.flatnonzero(np.repeat(sizes > MAX_FULL, sizes))
    keys, order = rows["key"].to_numpy()[large], rows["order"].to_numpy()[large]
    places[large] = places[large][np.lexsort((places[large], order, keys))]
    return places


@compiled
def _pairs(places: U64, methods: NDArray[np.int8], starts: I64, phrase: int) -> tuple[U64, U64, NDArray[np.int8]]:
    num = 0
    for bucket in range(len(starts) - 1):
        num += _num_pairs(starts[bucket + 1] - starts[bucket])
    one, other, number = np.empty(num, np.uint64), np.empty(num, np.uint64), np.empty(num, np.int8)
    num = 0
    for bucket in range(len(starts) - 1):
        start, end = starts[bucket], starts[bucket + 1]
        for left in range(start, end):
            for right in _partners(left, start, end, methods[left] == phrase):
                one[num] = min(places[left], places[right])
                other[num] = max(places[left], places[right])
                number[num] = methods[left]
                num += 1
    return one[:num], other[:num], number[:num]


@compiled
def _num_pairs(size: int) -> int:
    return max(size, size * (size - 1) // 2) if size <= MAX_FULL else size * (NEIGHBOURS + 1)


@compiled
def _partners(place: int, start: int, end: int, is_phrase: bool) -> I64:
    """Return which members of a bucket come after `place` as its partners; itself, where they share but a phrase."""
    if is_phrase:
        return np.arange(place, place + min(1, end - start - 1))
    if end - start <= MAX_FULL:
        return np.arange(place + 1, end)
    near = np.arange(place + 1, min(place + 1 + NEIGHBOURS, end))
    return np.append(near, np.arange(start, start + min(1, max(0, place - start - NEIGHBOURS))))


def _only_known_methods(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    methods = outputs["pair"][0]["method"].to_numpy()
    assert ((methods >= 0) & (methods <= t.PHRASE)).all(), "a pair names a method there is not"
