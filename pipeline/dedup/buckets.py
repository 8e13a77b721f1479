"""Buckets: recordings that share a key lie in one; all keys of a part, laid out as one group of rows a partition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.dedup import tables as t
from pipeline.dedup.compiled import compiled
from pipeline.dedup.kernels import I64, U32, U64

I8 = NDArray[np.int8]
# Keys found in different ways are kept apart, though made from equal numbers.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_LOW = np.uint64(0xFFFFFFFF)


def lay_out(keyed: Sequence[tuple[int, I64, U64]], names: U64, partitions: int) -> pa.Table:
    """Return BUCKET from (method, rows, their keys), sorted by partition; `names` has the hash of every row's id."""
    methods = np.repeat(np.array([method for method, _, _ in keyed], np.int8), [len(keys) for _, _, keys in keyed])
    rows = np.concatenate([rows for _, rows, _ in keyed]).astype(np.uint32)
    keys = np.concatenate([keys for _, _, keys in keyed])
    starts, found = _scatter(keys, methods, rows, (names >> np.uint64(32)).astype(np.uint32), partitions)
    columns = {"partition": np.repeat(np.arange(partitions, dtype=np.int16), np.diff(starts))}
    return pa.table(columns | dict(zip(t.BUCKET.names[1:], found, strict=True)), schema=t.BUCKET)


def meeting(keys: U64) -> I64:
    """Return the places of all keys that occur more than once, and of a few others, in order.

    A bit for each of 4 to 8 times as many values of the keys' upper bits says whether one was seen, another whether
    it was seen again: a seventh of the time of sorting all (measured 2026-11).
    """
    bits = 3
    while 1 << bits < 4 * len(keys):
        bits += 1
    return _seen_again(keys, bits)


@compiled
def _scatter(keys: U64, methods: I8, rows: U32, names: U32, num: int) -> tuple[I64, tuple[U64, I8, U32, U32]]:
    """Sort by partition, in one pass; return where each begins, and the columns key, method, row, order."""
    starts = np.zeros(num + 1, np.int64)
    for place in range(len(keys)):
        starts[1 + _partition(keys[place], methods[place], num)] += 1
    starts = np.cumsum(starts)
    ends = starts.copy()
    found = np.empty(len(keys), np.uint64), np.empty(len(keys), np.int8)
    whose = np.empty(len(keys), np.uint32), np.empty(len(keys), np.uint32)
    for place in range(len(keys)):
        partition = _partition(keys[place], methods[place], num)
        there = ends[partition]
        ends[partition] += 1
        found[0][there] = keys[place] ^ (np.uint64(methods[place]) * _STEP)
        found[1][there] = methods[place]
        whose[0][there] = rows[place]
        whose[1][there] = names[rows[place]]
    return starts, (found[0], found[1], whose[0], whose[1])


@compiled
def _partition(key: np.uint64, method: np.int8, num: int) -> int:
    """Scale the lower half of a key to a number of partitions; `meeting` looks at its upper half."""
    low = (key ^ (np.uint64(method) * _STEP)) & _LOW
    return int((low * np.uint64(num)) >> np.uint64(32))


@compiled
def _seen_again(keys: U64, bits: int) -> I64:
    once = np.zeros(1 << (bits - 3), np.uint8)
    again = np.zeros(1 << (bits - 3), np.uint8)
    shift = np.uint64(64 - bits)
    for key in keys:
        value = key >> shift
        bit = np.uint8(1) << np.uint8(value & np.uint64(7))
        again[value >> np.uint64(3)] |= once[value >> np.uint64(3)] & bit
        once[value >> np.uint64(3)] |= bit
    places = np.empty(len(keys), np.int64)
    num = 0
    for place in range(len(keys)):
        value = keys[place] >> shift
        places[num] = place
        num += (again[value >> np.uint64(3)] >> np.uint8(value & np.uint64(7))) & np.uint8(1)
    return places[:num].copy()
