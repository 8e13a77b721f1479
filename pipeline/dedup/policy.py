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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline import unions
from pipeline.dedup import tables as t
from pipeline.dedup.judge import Edges

Row = Mapping[str, Any]
_NO_TEXT = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What ties a recording to another, seen from the recording."""

    partner: int
    method: int
    similarity: float
    offset_ms: int | None

    @property
    def rank(self) -> tuple[int, float, int]:
        """Order evidence, the strongest first."""
        return (self.method, -self.similarity, self.partner)


def resolve(witnesses: pa.Table, edges: Edges) -> list[dict[str, Any]]:
    """Return the columns of VERDICT for each witness that has a duplicate, with its row as `number`."""
    rows: list[Row] = witnesses.select(_JUDGED_BY).to_pylist()
    evidence = _evidence(edges)
    is_equal = edges.contains == 0
    sames = _groups(unions.roots(len(rows), edges.one[is_equal], edges.other[is_equal]), evidence)
    clusters = _groups(unions.roots(len(rows), edges.one, edges.other), evidence)
    stands_for = _representatives(rows, sames)
    stands_for |= _held(rows, edges, {row: group for group in sames for row in group}, stands_for)
    names = {row: min(rows[other]["recording_id"] for other in group) for group in clusters for row in group}
    return [_verdict(row, rows, names[row], stands_for[row], evidence[row]) for row in sorted(evidence)]


_JUDGED_BY = ("recording_id", "text_lang", "text_rank", "is_timed", "coverage", "bit_rate", "sample_rate")


def _evidence(edges: Edges) -> dict[int, list[Evidence]]:
    found: dict[int, list[Evidence]] = defaultdict(list)
    columns = (edges.one, edges.other, edges.methods, edges.similarities, edges.offsets_ms)
    for one, other, method, similarity, offset in zip(*(column.tolist() for column in columns), strict=True):
        is_sound = method == t.SOUND
        here, there = (offset, -offset) if is_sound else (None, None)
        found[one].append(Evidence(partner=other, method=method, similarity=similarity, offset_ms=here))
        found[other].append(Evidence(partner=one, method=method, similarity=similarity, offset_ms=there))
    return found


def _groups(roots: unions.Numbers, wanted: Iterable[int]) -> list[list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for row in sorted(wanted):
        groups[int(roots[row])].append(row)
    return list(groups.values())


def _representatives(rows: Sequence[Row], groups: Iterable[Sequence[int]]) -> dict[int, int]:
    """Return for each row the one that stands for it among its equals, itself where it is kept."""
    stands_for: dict[int, int] = {}
    for group in groups:
        ranked = sorted(group, key=lambda row: _rank(rows[row]))
        best: dict[str | None, int] = {}
        for row in ranked:
            best.setdefault(_lang(rows[row]), row)
        for row in group:
            has_text = rows[row]["text_rank"] > _NO_TEXT
            stands_for[row] = best[_lang(rows[row])] if has_text else ranked[0]
    return stands_for


def _held(
    rows: Sequence[Row], edges: Edges, equals: Mapping[int, Sequence[int]], stands_for: Mapping[int, int]
) -> dict[int, int]:
    """Return for kept rows that lie inside a longer recording the row that stands for them too."""
    found: dict[int, int] = {}
    for longer, shorter in sorted(_containments(edges), key=lambda pair: _rank(rows[pair[0]])):
        kept = stands_for[shorter]
        holders = [row for row in equals[longer] if stands_for[row] == row and _serves(rows[row], rows[kept])]
        if holders:
            found.setdefault(kept, min(holders, key=lambda row: _rank(rows[row])))
    return found


def _containments(edges: Edges) -> Iterator[tuple[int, int]]:
    for one, other, contains in zip(edges.one.tolist(), edges.other.tolist(), edges.contains.tolist(), strict=True):
        if contains:
            yield (one, other) if contains > 0 else (other, one)


def _serves(longer: Row, shorter: Row) -> bool:
    is_same_language = shorter["text_rank"] == _NO_TEXT or _lang(longer) == _lang(shorter)
    return is_same_language and longer["text_rank"] >= shorter["text_rank"]


def _lang(row: Row) -> str | None:
    return (row["text_lang"] or "") if row["text_rank"] > _NO_TEXT else None


def _rank(row: Row) -> tuple[Any, ...]:
    return (
        -row["text_rank"],
        not row["is_timed"],
        -round(row["coverage"], 2),
        -row["bit_rate"],
        -row["sample_rate"],
        row["recording_id"],
    )


def _verdict(
    row: int, rows: Sequence[Row], cluster_id: str, keeper: int, evidence: Sequence[Evidence]
) -> dict[str, Any]:
    """Say what became of a row; the evidence is that with the one that stands for it, else its strongest."""
    strongest = min(evidence, key=lambda item: (item.partner != keeper, item.rank))
    is_representative = keeper == row
    return {
        "number": row,
        "cluster_id": cluster_id,
        "is_representative": is_representative,
        "method": t.METHODS[strongest.method],
        "partner_id": None if is_representative else rows[strongest.partner]["recording_id"],
        "similarity": None if is_representative else strongest.similarity,
        "offset_ms": None if is_representative else strongest.offset_ms,
    }
