"""Candidates: what all places gave, each pair once, cut so that a site's budget is held by one unit.

A unit fetches audio and captions; sites that serve each other's captions therefore share one.
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

CANDIDATES_PER_UNIT = 256


def candidate_stage(source: Source) -> Stage:
    """Build the stage that cuts candidates into units."""
    per_unit = source.candidates_per_unit
    return Stage(
        name="candidate",
        reads={"found": None},
        outputs=(
            Output(name="candidate", schema=CANDIDATE, version=1, config={"per_unit": per_unit}, count_by=("status",)),
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
        rows = found.take(_first_of_each(found["candidate_id"]))
        audio: list[str] = rows["audio_url"].to_pylist()
        if self.per_unit is None:
            keys = join_keys(list(zip(map(site_of, audio), _sites(rows["text_url"], audio), strict=True)))
        else:
            keys = audio
        units = rows_by_unit(keys, self.per_unit or CANDIDATES_PER_UNIT)
        return {"candidate": [rows.take(unit) for unit in units]}


_ORDER = [("audio_url", "ascending"), ("candidate_id", "ascending"), ("page_url", "ascending")]


def _sites(text_urls: pa.ChunkedArray, audio: Sequence[str]) -> list[str]:
    return [site_of(text or "") or site_of(url) for text, url in zip(text_urls.to_pylist(), audio, strict=True)]


def _first_of_each(ids: pa.ChunkedArray) -> pa.Array:
    _, first = np.unique(np.asarray(ids.to_numpy(), dtype=str), return_index=True)
    return pa.array(np.sort(first))


def _same_candidates(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    kept = pa.concat_tables(outputs["candidate"])["candidate_id"]
    expected = pc.count_distinct(inputs["found"]["candidate_id"]).as_py()
    assert len(kept) == expected == pc.count_distinct(kept).as_py(), "candidates were lost or repeated"
