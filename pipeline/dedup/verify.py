"""Verify: measure every candidate pair, join what holds, and choose what is kept; a partition has whole clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.dedup import tables as t
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.judge import judge
from pipeline.dedup.policy import resolve
from pipeline.stage import Context, Output, Stage, Tables


def verify_stage(config: DedupConfig) -> Stage:
    """Build the stage that turns candidates into clusters."""
    identity = {name: getattr(config, name) for name in ("min_jaccard", "min_sound_coverage", "max_sound_error")}
    return Stage(
        name="verify",
        reads={"link": None, "witness": None},
        outputs=(Output(name="member", schema=t.MEMBER, version=1, config=identity, count_by=("method",)),),
        run=Verify(config),
        conserve=_each_member_once,
        partitions=config.partitions,
    )


@dataclass(frozen=True, slots=True)
class Verify:
    """The verify stage's function."""

    config: DedupConfig

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Judge the links of a partition and say what becomes of each recording that has a duplicate."""
        # In the order of ids: nothing below may depend on where a recording stands in the corpus.
        witnesses = inputs["witness"].sort_by("recording_id")
        links = _with_rows(inputs["link"], witnesses["place"].to_numpy())
        verdicts = resolve(witnesses, judge(witnesses, links, self.config))
        members = witnesses.take(verdicts["number"])
        columns = {name: (verdicts if name in t.VERDICT else members)[name] for name in t.MEMBER.names}
        return {"member": [pa.table(columns, schema=t.MEMBER)]}


def _with_rows(links: pa.Table, places: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> pa.Table:
    order = np.argsort(places)
    one, other = (order[np.searchsorted(places[order], links[name].to_numpy())] for name in ("one", "other"))
    return pa.table({"one": np.minimum(one, other), "other": np.maximum(one, other), "methods": links["methods"]})


def _each_member_once(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    places = outputs["member"][0]["place"].to_numpy()
    assert len(np.unique(places)) == len(places), "a recording is a member twice"
    assert np.isin(places, inputs["witness"]["place"].to_numpy()).all(), "a member nobody brought"
