"""Witness: what the candidates of a part are judged by, sent to where their links are judged, each recording once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline import tables
from pipeline.dedup import tables as t
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.documents import bounds_of, codes_of, texts_of
from pipeline.dedup.shingles import shingle_sets
from pipeline.stage import Context, Output, Stage, Tables


def witness_stage(config: DedupConfig) -> Stage:
    """Build the stage that brings the candidates' texts and prints."""
    return Stage(
        name="witness",
        reads={
            "wanted": None,
            "signature": None,
            "segment": ("segment_id", "recording_id", "text"),
            "sound_print": None,
        },
        outputs=(Output(name="witness", schema=t.WITNESS, version=1, partitions=config.partitions),),
        run=Witness(),
        conserve=_every_candidate_comes,
    )


@dataclass(frozen=True, slots=True)
class Witness:
    """The witness stage's function."""

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Bring the wanted recordings of a part."""
        wanted = inputs["wanted"].sort_by([("partition", "ascending"), ("place", "ascending")])
        rows = pa.array(wanted["place"].to_numpy() & np.uint64(t.ROW_MASK))
        segments = tables.zip_columns(inputs["segment"], inputs["sound_print"])
        bounds = bounds_of(segments)
        columns = {
            "partition": wanted["partition"],
            "place": wanted["place"],
            **dict(zip(t.SIGNATURE.names, inputs["signature"].take(rows).columns, strict=True)),
            "shingles": shingle_sets(texts_of(segments, bounds).take(rows)),
            "codes": codes_of(segments, bounds).take(rows),
        }
        return {"witness": [pa.table(columns, schema=t.WITNESS)]}


def _every_candidate_comes(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    assert outputs["witness"][0].num_rows == inputs["wanted"].num_rows, "a candidate was lost on the way"
