"""Evidence of duplicates and of contamination: which recording, which other one, and how alike they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.redact import public_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A recording that repeats another, and the measured similarity; offset_ms is where it begins in the partner."""

    method: str
    recording_id: str
    partner_id: str
    similarity: float | None
    offset_ms: int | None
    duration_ms: int
    title: str
    audio_url: str
    partner_title: str
    partner_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contaminated:
    """A recording that holds part of an evaluation set's item."""

    eval_set: str
    item: str
    method: str
    overlap: float | None
    title: str
    audio_url: str


def pair_of(window: Mapping[str, Any], recording: Mapping[str, Any]) -> Pair:
    """Make a pair of a duplicate's window and recording; the partner's name is found later."""
    return Pair(
        method=window["method"] or "",
        recording_id=window["recording_id"],
        partner_id=window["partner_id"] or "",
        similarity=window["similarity"],
        offset_ms=window["offset_ms"],
        duration_ms=recording["duration_ms"] or 0,
        title=recording["title"] or "",
        audio_url=public_url(recording["audio_url"] or ""),
        partner_title="",
        partner_url="",
    )


def contaminated_of(window: Mapping[str, Any], recording: Mapping[str, Any]) -> Contaminated:
    """Make the evidence of a contaminated window's recording."""
    return Contaminated(
        eval_set=window["eval_set"],
        item=window["eval_item"] or "",
        method=window["eval_method"] or "",
        overlap=window["eval_overlap"],
        title=recording["title"] or "",
        audio_url=public_url(recording["audio_url"] or ""),
    )


def with_partners(pairs: Sequence[Pair], recordings: Iterable[pa.Table]) -> tuple[Pair, ...]:
    """Look up the names of the partners, part by part; nothing is read without pairs."""
    if not pairs:
        return ()
    wanted = pa.array(sorted({pair.partner_id for pair in pairs}), pa.string())
    found: dict[str, Mapping[str, Any]] = {}
    for table in recordings:
        rows = table.filter(pc.is_in(table["recording_id"], value_set=wanted))
        found |= {row["recording_id"]: row for row in rows.select(["recording_id", "title", "audio_url"]).to_pylist()}
    return tuple(
        replace(
            pair,
            partner_title=found[pair.partner_id]["title"] or "",
            partner_url=public_url(found[pair.partner_id]["audio_url"] or ""),
        )
        if pair.partner_id in found
        else pair
        for pair in pairs
    )
