"""Dedup: the stages from segments to clusters, and the last of them, which says of each window what became of it.

sign (map) → pair (partition) → link (gather) → witness (map) → verify (partition) → settle (gather) → cluster (map)

Where evaluation sets are kept out, contamination (map) stands before settle, and reads what eval_print took of them.
Signatures are made once and taken over when the corpus grows. Everything with a text or a print in it is a map or a
partition; what is gathered is pairs of numbers, and the verdicts on duplicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dedup import tables as t
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.contamination import contamination_stage
from pipeline.dedup.documents import bounds_of
from pipeline.dedup.link import link_stage
from pipeline.dedup.pairs import pair_stage
from pipeline.dedup.settle import settle_stage
from pipeline.dedup.sign import sign_stage
from pipeline.dedup.verify import verify_stage
from pipeline.dedup.witness import witness_stage
from pipeline.schema import CLUSTER
from pipeline.stage import Context, Output, Stage, Tables, same_segments


def dedup_stages(config: DedupConfig, has_eval_sets: bool = False) -> list[Stage]:
    """Build the stages in their order; with evaluation sets, the table eval_print has to be there (see evals)."""
    return [
        sign_stage(config),
        pair_stage(config),
        link_stage(config),
        witness_stage(config),
        verify_stage(config),
        *([contamination_stage(config)] if has_eval_sets else []),
        settle_stage(config, has_eval_sets),
        _cluster_stage(),
    ]


def _cluster_stage() -> Stage:
    return Stage(
        name="cluster",
        reads={
            "segment": ("segment_id", "recording_id"),
            "signature": ("recording_id", "feed", "declared_split"),
            "settled": None,
            "feed_split": None,
        },
        outputs=(Output(name="cluster", schema=CLUSTER, version=2, count_by=("method", "eval_set")),),
        run=Cluster(),
        conserve=same_segments,
        shared=("feed_split",),
    )


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster stage's function."""

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Say of each window what became of its recording."""
        signature, settled = inputs["signature"], inputs["settled"]
        said = settled.take(pc.index_in(pa.array(np.arange(signature.num_rows), pa.uint32()), settled["row"]))
        is_settled = pc.is_valid(said["cluster_id"])
        drawn = inputs["feed_split"].take(pc.index_in(signature["feed"], inputs["feed_split"]["feed"]))
        # A recording with a split of its own does not go where its feed goes.
        is_free = pc.is_null(signature["declared_split"])
        split_at = pc.if_else(is_free, pc.coalesce(drawn["split_at"], signature["feed"]), signature["feed"])
        split = pc.if_else(is_free, drawn["declared_split"], signature["declared_split"])
        columns: dict[str, Any] = {
            **{name: said[name] for name in (*t.VERDICT, *t.EVAL)},
            "cluster_id": pc.coalesce(said["cluster_id"], signature["recording_id"]),
            "is_representative": pc.fill_null(said["is_representative"], True),
            "method": pc.fill_null(said["method"], t.UNIQUE),
            "has_common_text": pc.fill_null(said["has_common_text"], False),
            "split_at": pc.if_else(is_settled, said["split_at"], split_at),
            "declared_split": pc.if_else(is_settled, said["declared_split"], split),
        }
        bounds = bounds_of(inputs["segment"])
        rows = pa.array(np.repeat(np.arange(signature.num_rows), np.diff(bounds)))
        windows = pa.table(columns).take(rows).append_column("segment_id", inputs["segment"]["segment_id"])
        return {"cluster": [windows.select(CLUSTER.names)]}
