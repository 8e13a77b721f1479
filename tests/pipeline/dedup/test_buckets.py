"""Keys are laid out by partition, and those that meet are found without sorting all."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.dedup import tables as t
from pipeline.dedup.buckets import lay_out, meeting
from pipeline.dedup.pairs import MAX_FULL, NEIGHBOURS, Pair
from pipeline.stage import PART, Context


def keys(seed: int, num: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.random.default_rng(seed).integers(0, 1 << 64, num, dtype=np.uint64)


@pytest.mark.parametrize("partitions", [1, 2, 7, 16])
def test_every_key_lies_in_the_partition_its_value_names_with_its_row_and_order(partitions: int) -> None:
    rows, names = np.arange(100), keys(2, 100)
    first = lay_out([(t.EXACT_AUDIO, rows, keys(1, 100))], names, partitions).to_pylist()
    again = lay_out([(t.EXACT_AUDIO, rows[::-1], keys(1, 100)[::-1])], names, partitions).to_pylist()
    assert sorted(row["row"] for row in first) == rows.tolist()
    assert [row["partition"] for row in first] == sorted(row["partition"] for row in first)
    assert {row["partition"] for row in first} == set(range(partitions))
    assert all(row["order"] == int(names[row["row"]]) >> 32 for row in first)
    by_row = [sorted(found, key=lambda row: row["row"]) for found in (first, again)]
    assert by_row[0] == by_row[1]


def test_equal_numbers_found_in_two_ways_do_not_meet() -> None:
    rows, same = np.arange(3), keys(1, 3)
    found = lay_out([(t.EXACT_AUDIO, rows, same), (t.EXACT_PCM, rows, same)], keys(2, 3), 4)
    assert len(set(found["key"].to_pylist())) == 6
    assert len(lay_out([(t.PHRASE, rows[:0], same[:0])], keys(2, 3), 4)) == 0


@pytest.mark.parametrize("num", [0, 1, 2, 1000, 20_000])
def test_all_that_meet_are_found_and_few_others(num: int) -> None:
    every = np.concatenate([keys(1, num), keys(1, num)[: num // 10], np.zeros(2 * (num > 1), np.uint64)])
    values, counts = np.unique(every, return_counts=True)
    meets = np.flatnonzero(np.isin(every, values[counts > 1]))
    found = meeting(every)
    assert np.isin(meets, found).all()
    assert (np.diff(found) > 0).all()
    assert len(found) <= len(meets) + 0.25 * len(every)


def pairs_of(places: list[int], method: int) -> list[tuple[int, int]]:
    """Return the pairs of one bucket as recordings, the i-th of which lies at the i-th place; order is not theirs."""
    num = len(places)
    names = [number * 17 % num for number in range(num)]
    columns = {
        "partition": np.zeros(num, np.int16),
        "key": np.full(num, 1 << 40, np.uint64),
        "method": np.full(num, method, np.int8),
        "row": np.array(places, np.uint32),
        "order": np.array(names, np.uint32),
        PART: np.zeros(num, np.int64),
    }
    bucket = pa.table(columns).sort_by("row")
    [found] = Pair()({"bucket": bucket}, Context(blobs_uri="", output_uris={}, input_fingerprints={}))["pair"]
    ends = [[places.index(place) for place in found[name].to_pylist()] for name in ("one", "other")]
    return sorted((min(pair), max(pair)) for pair in zip(*ends, strict=True))


def test_a_bucket_gives_all_its_pairs_and_a_phrase_only_marks() -> None:
    for num in (1, 2, MAX_FULL):
        expected = [(one, other) for one in range(num) for other in range(one + 1, num)]
        assert pairs_of(list(range(num)), t.MINHASH) == expected
        assert pairs_of(list(range(num)), t.PHRASE) == [(number, number) for number in range(num) if num > 1]


def test_a_large_bucket_gives_the_same_pairs_whatever_came_first() -> None:
    num = MAX_FULL + 9
    expected = pairs_of(list(range(num)), t.MINHASH)
    assert len(expected) == len(set(expected)) < num * (NEIGHBOURS + 1)
    by_order = sorted(range(num), key=lambda number: number * 17 % num)
    near = {
        tuple(sorted(pair))
        for step in range(1, NEIGHBOURS + 1)
        for pair in zip(by_order, by_order[step:], strict=False)
    }
    first = {tuple(sorted((by_order[0], other))) for other in by_order[1:]}
    assert set(expected) == near | first
    rng = np.random.default_rng(0)
    assert all(pairs_of(rng.permutation(num).tolist(), t.MINHASH) == expected for _ in range(5))
