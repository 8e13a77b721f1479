"""Candidates: what all places gave, each pair once, cut so that a site's budget is held by one unit.

A unit fetches audio and captions; sites that serve each other's captions therefore share one. A candidate that was
taken down gets that status here, before anything of it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.hosts import site_of
from pipeline.schema import CANDIDATE
from pipeline.sources.found import Source
from pipeline.sources.units import join_keys, rows_by_unit
from pipeline.stage import PART, Context, Output, Stage, Tables
from pipeline.takedown import TAKEN_DOWN, Takedowns, from_table

CANDIDATES_PER_UNIT = 256


def candidate_stage(source: Source) -> Stage:
    """Build the stage that cuts candidates into units."""
    per_unit = source.candidates_per_unit
    return Stage(
        name="candidate",
        reads={"found": None, "takedown": None},
        outputs=(
            Output(name="candidate", schema=CANDIDATE, version=2, config={"per_unit": per_unit}, count_by=("status",)),
        ),
        run=Candidates(per_unit),
        conserve=_same_candidates,
        is_gather=True,
    )


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidate stage's function."""

    per_unit: int | None

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Keep the first row of each id, in the order of the ids' audio, and cut by site or by audio."""
        found = inputs["found"].drop_columns([PART]).sort_by(_ORDER)
        rows = _mark(found.take(_first_of_each(found["candidate_id"])), from_table(inputs["takedown"]))
        audio: list[str] = rows["audio_url"].to_pylist()
        if self.per_unit is None:
            keys = join_keys(list(zip(map(site_of, audio), _sites(rows["text_url"], audio), strict=True)))
        else:
            keys = audio
        units = rows_by_unit(keys, self.per_unit or CANDIDATES_PER_UNIT)
        return {"candidate": [rows.take(unit) for unit in units]}


_ORDER = [("audio_url", "ascending"), ("candidate_id", "ascending"), ("page_url", "ascending")]


_ADDRESSES = ("audio_url", "text_url", "page_url", "seed_url")


def _mark(rows: pa.Table, takedowns: Takedowns) -> pa.Table:
    if not takedowns.entries:
        return rows
    keys = rows.select(["candidate_id", *_ADDRESSES]).to_pylist()
    entries = [
        takedowns.named("candidate", key["candidate_id"]) or takedowns.of_urls(key[name] for name in _ADDRESSES)
        for key in keys
    ]
    hit = pa.array([entry is not None for entry in entries])
    marks = {
        "status": pa.scalar(TAKEN_DOWN),
        "status_detail": pa.array([entry and str(entry) for entry in entries], pa.string()),
        "is_retryable": pa.scalar(False),
    }
    for name, mark in marks.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, pc.if_else(hit, mark, rows[name]))
    return rows


def _sites(text_urls: pa.ChunkedArray, audio: Sequence[str]) -> list[str]:
    return [site_of(text or "") or site_of(url) for text, url in zip(text_urls.to_pylist(), audio, strict=True)]


def _first_of_each(ids: pa.ChunkedArray) -> pa.Array:
    _, first = np.unique(np.asarray(ids.to_numpy(), dtype=str), return_index=True)
    return pa.array(np.sort(first))


def _same_candidates(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    kept = pa.concat_tables(outputs["candidate"])["candidate_id"]
    expected = pc.count_distinct(inputs["found"]["candidate_id"]).as_py()
    assert len(kept) == expected == pc.count_distinct(kept).as_py(), "candidates were lost or repeated"
