"""Pairs are gathered a part at a time, each once, and those that hang together are judged in one place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import artifact
from pipeline.dedup import tables as t
from pipeline.dedup.link import gather
from tests.pipeline.dedup.corpus import Recording, run

Row = tuple[int, int, int]


def parts_of(rows: list[Row], num: int) -> list[pa.Table]:
    """Deal rows to parts, each sorted, as the pair stage writes them."""
    dealt = [sorted(set(rows[start::num])) for start in range(num)]
    return [pa.table(list(zip(*part, strict=True)) or [[], [], []], schema=t.PAIR) for part in dealt]


def test_a_pair_is_kept_once_with_the_methods_of_all_parts() -> None:
    rng = np.random.default_rng(0)
    numbers = np.sort(rng.integers(0, 30, (500, 2)), axis=1)
    rows = [(int(one), int(other), int(rng.integers(0, t.PHRASE))) for one, other in numbers if one != other]
    rows += [(place, place, t.PHRASE) for place in (7, 3, 7)]
    expected: dict[tuple[int, int], int] = {}
    for one, other, method in rows:
        if method != t.PHRASE:
            expected[one, other] = expected.get((one, other), 0) | 1 << method
    for num in (1, 3, 600):
        (one, other, methods), phrased = gather(iter(parts_of(rows, num)))
        found = list(zip(zip(one.tolist(), other.tolist(), strict=True), methods.tolist(), strict=True))
        assert found == sorted(expected.items())
        assert phrased.tolist() == [3, 7]


def test_what_hangs_together_lies_in_one_partition_and_every_part_brings_its_own(tmp_path: Path) -> None:
    # Chains over three parts: x-y by their bytes, y-z by their samples.
    first = [Recording(name=f"{chain}x", audio=f"{chain}") for chain in range(8)]
    second = [Recording(name=f"{chain}y", audio=f"{chain}", pcm=f"{chain}") for chain in range(8)]
    third = [Recording(name=f"{chain}z", pcm=f"{chain}") for chain in range(8)]
    made = run(tmp_path, [first, [Recording(name="alone")], second, third], partitions=3)
    links = artifact.read_all(made["link"]).to_pylist()
    assert len(links) == len({(row["one"], row["other"]) for row in links}) == 16
    partition_of = {place: row["partition"] for row in links for place in (row["one"], row["other"])}
    assert all(partition_of[row["one"]] == partition_of[row["other"]] for row in links)
    assert len(set(partition_of.values())) > 1
    wanted = [artifact.read_part(made["wanted"], number).to_pylist() for number in range(4)]
    assert [len(part) for part in wanted] == [8, 0, 8, 8]
    assert {row["place"]: row["partition"] for part in wanted for row in part} == partition_of
    assert all(row["place"] >> t.ROW_BITS == number for number, part in enumerate(wanted) for row in part)
