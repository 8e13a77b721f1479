"""Link: each pair once, and the pairs that hang together in one partition, so that whole clusters are judged there.

The one place that sees all candidate pairs. It takes the parts of pairs one at a time and keeps each pair once: it
holds 4 bytes for every recording and, at its height, some 60 for every pair (measured 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.dedup import tables as t
from pipeline.dedup.compiled import compiled
from pipeline.dedup.config import DedupConfig
from pipeline.stage import Context, Output, Stage, Tables

U64 = NDArray[np.uint64]
U32 = NDArray[np.uint32]
I64 = NDArray[np.int64]
I16 = NDArray[np.int16]
Pairs = tuple[U64, U64, I16]  # the recordings' places, and the methods, each a bit

_BITS = np.uint64(t.ROW_BITS)
_MASK = np.uint64(t.ROW_MASK)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def link_stage(config: DedupConfig) -> Stage:
    """Build the stage that gathers the candidate pairs."""
    return Stage(
        name="link",
        reads={"pair": None, "signature": ("source",)},
        outputs=(
            Output(name="link", schema=t.LINK, version=2, partitions=config.partitions),
            Output(name="wanted", schema=t.WANTED, version=2, config={"partitions": config.partitions}),
            Output(name="phrased", schema=t.PHRASED, version=1),
        ),
        run=Link(partitions=config.partitions),
        conserve=_a_part_for_each_signature_part,
        is_gather=True,
        by_part=("pair", "signature"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The link stage's function."""

    partitions: int

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Split pairs into links to judge and phrases to mark, and say which recordings each part must bring."""
        pairs, phrased = gather(context.read_part("pair", number) for number in range(context.num_parts["pair"]))
        num_parts = context.num_parts["signature"]
        firsts = _firsts(pairs, num_parts)
        roots, is_wanted = _tied(pairs[0], pairs[1], firsts)
        partitions = _partitions(_places(roots[_numbers(pairs[0], firsts)], firsts), self.partitions)
        order = np.argsort(partitions, kind="stable")
        return {
            "link": [pa.table([column[order] for column in (partitions, *pairs)], schema=t.LINK)],
            "wanted": [
                self._wanted(np.flatnonzero(is_wanted[start:end]) + start, roots, firsts)
                for start, end in zip(firsts, firsts[1:], strict=False)
            ],
            "phrased": [
                pa.table({"row": phrased[part] & _MASK}).cast(t.PHRASED) for part in by_part(phrased, num_parts)
            ],
        }

    def _wanted(self, numbers: I64, roots: U32, firsts: I64) -> pa.Table:
        partitions = _partitions(_places(roots[numbers], firsts), self.partitions)
        return pa.table([partitions, _places(numbers, firsts)], schema=t.WANTED)


def gather(parts: Iterator[pa.Table]) -> tuple[Pairs, U64]:
    """Return each pair once, sorted, with every method that found it, and the recordings that share but a phrase."""
    found: Pairs = np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int16)
    phrased = np.zeros(0, np.uint64)
    for part in parts:
        one, other, method = (part[name].to_numpy() for name in ("one", "other", "method"))
        is_phrase = method == t.PHRASE
        phrased = np.union1d(phrased, one[is_phrase])
        is_pair = ~is_phrase
        found = _merged(found, (one[is_pair], other[is_pair], np.int16(1) << method[is_pair].astype(np.int16)))
    return found, phrased


def by_part(places: U64, num_parts: int) -> list[slice]:
    """Return where each part's recordings stand among sorted places."""
    firsts = np.arange(num_parts + 1, dtype=np.uint64) << _BITS
    bounds = np.searchsorted(places, firsts)
    return [slice(start, end) for start, end in zip(bounds, bounds[1:], strict=False)]


def _firsts(pairs: Pairs, num_parts: int) -> I64:
    """Return the number of the first recording of each part, where all that can be in a pair are numbered through."""
    sizes = np.zeros(num_parts, np.int64)
    for places in pairs[:2]:
        np.maximum.at(sizes, (places >> _BITS).astype(np.int64), (places & _MASK).astype(np.int64) + 1)
    return np.append(0, np.cumsum(sizes))


def _places(numbers: I64 | U32, firsts: I64) -> U64:
    parts = np.searchsorted(firsts, numbers, side="right") - 1
    return (parts.astype(np.uint64) << _BITS) | (numbers - firsts[parts]).astype(np.uint64)


def _partitions(roots: U64, num: int) -> I16:
    """Return where the sets of some roots are judged: a hash of their places, which stay when a corpus grows."""
    return ((roots * _STEP >> np.uint64(40)) % np.uint64(num)).astype(np.int16)


@compiled
def _merged(first: Pairs, second: Pairs) -> Pairs:
    """Merge two sorted lists of pairs; a pair that occurs again, in either, gets the methods of all."""
    num = len(first[0]) + len(second[0])
    one, other, methods = np.empty(num, np.uint64), np.empty(num, np.uint64), np.empty(num, np.int16)
    i = j = 0
    last = -1
    while i < len(first[0]) or j < len(second[0]):
        is_first = j == len(second[0]) or (
            i < len(first[0])
            and (first[0][i] < second[0][j] or (first[0][i] == second[0][j] and first[1][i] <= second[1][j]))
        )
        left = first[0][i] if is_first else second[0][j]
        right = first[1][i] if is_first else second[1][j]
        method = first[2][i] if is_first else second[2][j]
        i, j = i + is_first, j + (not is_first)
        if last >= 0 and one[last] == left and other[last] == right:
            methods[last] |= method
            continue
        last += 1
        one[last], other[last], methods[last] = left, right, method
    return one[: last + 1].copy(), other[: last + 1].copy(), methods[: last + 1].copy()


@compiled
def _numbers(places: U64, firsts: I64) -> I64:
    numbers = np.empty(len(places), np.int64)
    for place in range(len(places)):
        numbers[place] = firsts[places[place] >> _BITS] + np.int64(places[place] & _MASK)
    return numbers


@compiled
def _tied(one: U64, other: U64, firsts: I64) -> tuple[U32, NDArray[np.bool_]]:
    """Return the smallest number each recording is tied to (union-find), and whether it is in a pair at all."""
    roots = np.arange(firsts[-1], dtype=np.uint32)
    is_tied = np.zeros(firsts[-1], np.bool_)
    for pair in range(len(one)):
        left = firsts[one[pair] >> _BITS] + np.int64(one[pair] & _MASK)
        right = firsts[other[pair] >> _BITS] + np.int64(other[pair] & _MASK)
        is_tied[left] = is_tied[right] = True
        while roots[left] != left:
            roots[left] = roots[roots[left]]
            left = np.int64(roots[left])
        while roots[right] != right:
            roots[right] = roots[roots[right]]
            right = np.int64(roots[right])
        roots[max(left, right)] = min(left, right)
    for number in range(len(roots)):
        roots[number] = roots[roots[number]]  # whose own name, being smaller, is at its end already
    return roots, is_tied


def _a_part_for_each_signature_part(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    numbers = {len(outputs[name]) for name in ("wanted", "phrased") if name in outputs}
    assert len(numbers) <= 1, f"link wrote {numbers} parts"
