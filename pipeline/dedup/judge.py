"""Whether two candidates are duplicates, measured: equal hashes, Jaccard of all shingles, prints side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.dedup import tables as t
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.kernels import F64, I64, jaccards
from pipeline.dedup.sound_match import align


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Verified duplicates: rows of the witnesses, the strongest method that holds, and what was measured.

    `offsets_ms` is where `one` begins in `other`. Where `contains` is not 0, the two are no equals: 1 says that one
    holds other, and more besides; -1 that other holds one.
    """

    one: I64
    other: I64
    methods: NDArray[np.int8]
    similarities: F64
    offsets_ms: I64
    contains: NDArray[np.int8]

    def of(self, rows: NDArray[np.bool_] | I64) -> Edges:
        """Return some of them."""
        return Edges(**{name: getattr(self, name)[rows] for name in self.__slots__})


def judge(witnesses: pa.Table, links: pa.Table, config: DedupConfig) -> Edges:
    """Measure every link; `one` and `other` of the links are rows of the witnesses."""
    one, other = links["one"].to_numpy(), links["other"].to_numpy()
    found = (links["methods"].to_numpy()[:, None] >> np.arange(len(t.METHODS))) & 1 > 0
    similarities = np.zeros((len(one), len(t.METHODS)))
    for method, column in ((t.EXACT_AUDIO, "sha256"), (t.EXACT_PCM, "pcm_sha256"), (t.EXACT_TEXT, "text_digest")):
        similarities[:, method] = _equal(witnesses[column], one, other)
    near = np.flatnonzero(found[:, t.MINHASH])
    shares = _jaccards(witnesses, one[near], other[near])
    similarities[near, t.MINHASH] = np.where(shares >= config.min_jaccard, shares, 0.0)
    is_exact = similarities[:, : t.EXACT_PCM + 1].any(axis=1)
    heard = np.flatnonzero(found[:, t.SOUND] & ~is_exact)
    similarities[heard, t.SOUND], offsets, contains = _sounds(witnesses, one[heard], other[heard], config)
    best = (similarities > 0).argmax(axis=1)
    edges = Edges(
        one=one,
        other=other,
        methods=best.astype(np.int8),
        similarities=similarities[np.arange(len(one)), best],
        offsets_ms=_spread(offsets, heard, len(one)),
        contains=np.where(best == t.SOUND, _spread(contains, heard, len(one)), 0).astype(np.int8),
    )
    return edges.of(edges.similarities > 0)


def _equal(column: pa.ChunkedArray, one: I64, other: I64) -> F64:
    is_equal = pc.equal(column.take(pa.array(one)), column.take(pa.array(other)))
    return is_equal.cast(pa.int8()).fill_null(0).to_numpy().astype(np.float64)


def _jaccards(witnesses: pa.Table, one: I64, other: I64) -> F64:
    sets = witnesses["shingles"].combine_chunks()
    return jaccards(sets.flatten().to_numpy(), _offsets(sets), one, other)


def _sounds(witnesses: pa.Table, one: I64, other: I64, config: DedupConfig) -> tuple[F64, I64, I64]:
    prints = witnesses["codes"].combine_chunks()
    codes, offsets = prints.flatten().to_numpy(), _offsets(prints)
    similarities = np.zeros(len(one))
    offsets_ms, contains = np.zeros(len(one), np.int64), np.zeros(len(one), np.int64)
    for number, (left, right) in enumerate(zip(one, other, strict=True)):
        first, second = codes[offsets[left] : offsets[left + 1]], codes[offsets[right] : offsets[right + 1]]
        match = align(first, second, config.max_sound_error)
        if match.coverage < config.min_sound_coverage:
            continue
        similarities[number], offsets_ms[number] = match.similarity, match.offset_ms
        if match.longer_coverage < config.min_sound_coverage:
            contains[number] = 1 if match.is_one_longer else -1
    return similarities, offsets_ms, contains


def _offsets(lists: pa.ListArray) -> I64:
    return np.append(0, np.cumsum(pc.list_value_length(lists).fill_null(0).to_numpy()))


def _spread(values: I64, places: I64, num: int) -> I64:
    spread = np.zeros(num, np.int64)
    spread[places] = values
    return spread
