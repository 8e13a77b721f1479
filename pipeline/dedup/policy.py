"""Which of the duplicates are kept, by what is known of them and never by which came first.

Of recordings that are the same, one is kept for each language of text: a transcript and a translation are no
duplicates of each other, while of two captions in one language the better is kept, and a recording without a caption
only where no other has one. Better is, in this order: written by a person (then of unknown origin, then by a
recogniser), timed, over more of the audio, with more bytes a second, of a higher sample rate, with the smaller id.

A recording that lies inside a longer one is left out only where the longer one has a caption at least as good in the
same language; a longer one is never left out for what lies inside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import unions
from pipeline.dedup import tables as t
from pipeline.dedup.judge import Edges
from pipeline.dedup.kernels import F64, I64

_NO_TEXT = -1  # the language of a recording without a caption


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What ties recordings (rows) to their partners, each edge seen from both of its ends."""

    rows: I64
    partners: I64
    methods: NDArray[np.int8]
    similarities: F64
    offsets_ms: I64


def resolve(witnesses: pa.Table, edges: Edges) -> pa.Table:
    """Return VERDICT for each witness that has a duplicate, and its row as `number`; witnesses are sorted by their ids.

    The evidence is that with the one that stands for it, else its strongest.
    """
    num, is_equal = witnesses.num_rows, edges.contains == 0
    ranks, langs = _ranks(witnesses), _langs(witnesses)
    equals = unions.roots(num, edges.one[is_equal], edges.other[is_equal])
    keepers = _representatives(equals, langs, ranks)
    keepers = _with_holders(keepers, edges, equals, _Judged(langs=langs, ranks=ranks, rows=witnesses))
    evidence = _strongest(_from_both_ends(edges), keepers)
    rows, ids = evidence.rows, witnesses["recording_id"]
    is_kept = keepers[rows] == rows
    clusters = unions.roots(num, edges.one, edges.other)
    columns = {
        "number": rows,
        "cluster_id": ids.take(pa.array(clusters[rows])),
        "is_representative": is_kept,
        "method": pa.array(t.METHODS).take(pa.array(evidence.methods)),
        "partner_id": ids.take(pa.array(evidence.partners, mask=is_kept)),
        "similarity": pa.array(evidence.similarities, mask=is_kept),
        "offset_ms": pa.array(evidence.offsets_ms, mask=is_kept | (evidence.methods != t.SOUND)),
    }
    return pa.table(columns)


def _ranks(witnesses: pa.Table) -> I64:
    """Return the place of each row in the order of what is better; of equals, the smaller id comes first."""
    columns = ("sample_rate", "bit_rate", "coverage", "is_timed", "text_rank")
    signals = [pc.fill_null(witnesses[name].cast(pa.float64()), 0.0).to_numpy() for name in columns]
    signals[2] = np.round(signals[2], 2)
    ranks = np.empty(witnesses.num_rows, np.int64)
    ranks[np.lexsort([-signal for signal in signals])] = np.arange(len(ranks))
    return ranks


def _langs(witnesses: pa.Table) -> I64:
    names = pc.fill_null(witnesses["text_lang"], "").combine_chunks().dictionary_encode()
    has_text = witnesses["text_rank"].to_numpy() > 0
    return np.where(has_text, names.indices.to_numpy(), _NO_TEXT).astype(np.int64)


def _representatives(equals: I64, langs: I64, ranks: I64) -> I64:
    """Return for each row the one that stands for it among its equals, itself where it is kept."""
    worst_first = np.argsort(-ranks)
    best = np.empty(len(ranks), np.int64)
    best[equals[worst_first]] = worst_first
    spoken = equals * (langs.max(initial=0) + 2) + langs
    _, groups = np.unique(spoken, return_inverse=True)
    best_in_lang = np.empty(len(ranks), np.int64)
    best_in_lang[groups[worst_first]] = worst_first
    return np.where(langs == _NO_TEXT, best[equals], best_in_lang[groups])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    langs: I64
    ranks: I64
    rows: pa.Table

    def serves(self, longer: int, shorter: int) -> bool:
        """Tell whether nothing is lost when a longer recording stands for one that lies inside it."""
        text_ranks = self.rows["text_rank"]
        is_same_language = self.langs[shorter] in (_NO_TEXT, self.langs[longer])
        return bool(is_same_language and text_ranks[longer].as_py() >= text_ranks[shorter].as_py())


def _with_holders(keepers: I64, edges: Edges, equals: I64, judged: _Judged) -> I64:
    """Let what holds a kept row, and serves as well, stand for it too."""
    is_held = edges.contains != 0
    longer = np.where(edges.contains > 0, edges.one, edges.other)[is_held]
    shorter = np.where(edges.contains > 0, edges.other, edges.one)[is_held]
    kept = _kept_among(equals, keepers, longer)
    found: dict[int, int] = {}
    for place in np.lexsort((shorter, judged.ranks[longer])).tolist():
        row = int(keepers[shorter[place]])
        holders = [other for other in kept[int(equals[longer[place]])] if judged.serves(other, row)]
        if holders:
            found.setdefault(row, min(holders, key=lambda other: int(judged.ranks[other])))
    held = keepers.copy()
    held[list(found.keys())] = list(found.values())
    return held


def _kept_among(equals: I64, keepers: I64, rows: I64) -> Mapping[int, list[int]]:
    """Return the kept rows among the equals of some rows, by the name of their set."""
    kept: dict[int, list[int]] = defaultdict(list)
    for row in np.flatnonzero(np.isin(equals, equals[rows]) & (keepers == np.arange(len(keepers)))).tolist():
        kept[int(equals[row])].append(row)
    return kept


def _from_both_ends(edges: Edges) -> Evidence:
    return Evidence(
        rows=np.concatenate([edges.one, edges.other]),
        partners=np.concatenate([edges.other, edges.one]),
        methods=np.tile(edges.methods, 2),
        similarities=np.tile(edges.similarities, 2),
        offsets_ms=np.concatenate([edges.offsets_ms, -edges.offsets_ms]),
    )


def _strongest(evidence: Evidence, keepers: I64) -> Evidence:
    """Return one piece of evidence for each row, in their order."""
    is_other = evidence.partners != keepers[evidence.rows]
    order = np.lexsort((evidence.partners, -evidence.similarities, evidence.methods, is_other, evidence.rows))
    rows = evidence.rows[order]
    first = order[np.append(True, rows[1:] != rows[:-1])[: len(rows)]]
    columns: dict[str, Any] = {name: getattr(evidence, name)[first] for name in evidence.__slots__}
    return Evidence(**columns)
