"""Link: each pair once, and the pairs that hang together in one partition, so that whole clusters are judged there.

The one place that sees all candidate pairs, 17 bytes each, and nothing else of any recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import unions
from pipeline.dedup import tables as t
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.pairs import distinct
from pipeline.stage import Context, Output, Stage, Tables

U64 = NDArray[np.uint64]


def link_stage(config: DedupConfig) -> Stage:
    """Build the stage that gathers the candidate pairs."""
    return Stage(
        name="link",
        reads={"pair": None, "signature": ("source",)},
        outputs=(
            Output(name="link", schema=t.LINK, version=1, partitions=config.partitions),
            Output(name="wanted", schema=t.WANTED, version=1, config={"partitions": config.partitions}),
            Output(name="phrased", schema=t.PHRASED, version=1),
        ),
        run=Link(partitions=config.partitions),
        conserve=_a_part_for_each_signature_part,
        is_gather=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The link stage's function."""

    partitions: int

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Split pairs into links to judge and phrases to mark, and say which recordings each part must bring."""
        pairs = inputs["pair"]
        is_phrase = pc.equal(pairs["method"], t.PHRASE)
        one, other, methods = _links(pairs.filter(pc.invert(is_phrase)))
        places, ends = np.unique(np.concatenate([one, other]), return_inverse=True)
        roots = unions.roots(len(places), ends[: len(one)], ends[len(one) :])
        partitions = (roots % self.partitions).astype(np.int16)
        link_partitions = partitions[ends[: len(one)]]
        order = np.argsort(link_partitions, kind="stable")
        links = {"partition": link_partitions, "one": one, "other": other, "methods": methods}
        link = pa.table({name: column[order] for name, column in links.items()}, schema=t.LINK)
        num_parts = context.num_parts["signature"]
        phrased = np.unique(pairs.filter(is_phrase)["one"].to_numpy())
        return {
            "link": [link],
            "wanted": [
                pa.table({"partition": partitions[part], "place": places[part]}, schema=t.WANTED)
                for part in by_part(places, num_parts)
            ],
            "phrased": [
                pa.table({"row": phrased[part] & np.uint64(t.ROW_MASK)}).cast(t.PHRASED)
                for part in by_part(phrased, num_parts)
            ],
        }


def by_part(places: U64, num_parts: int) -> list[slice]:
    """Return where each part's recordings stand among sorted places."""
    firsts = np.arange(num_parts + 1, dtype=np.uint64) << np.uint64(t.ROW_BITS)
    bounds = np.searchsorted(places, firsts)
    return [slice(start, end) for start, end in zip(bounds, bounds[1:], strict=False)]


def _links(pairs: pa.Table) -> tuple[U64, U64, NDArray[np.int16]]:
    """Return each pair once, with every method that found it."""
    one, other, method = (pairs[name].to_numpy() for name in ("one", "other", "method"))
    order = distinct(one, other, method)
    one, other = one[order], other[order]
    if not len(one):
        return one, other, np.zeros(0, np.int16)
    starts = np.flatnonzero(np.append(True, (one[1:] != one[:-1]) | (other[1:] != other[:-1])))
    methods = np.bitwise_or.reduceat(np.int16(1) << method[order].astype(np.int16), starts)
    return one[starts], other[starts], methods


def _a_part_for_each_signature_part(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    numbers = {len(outputs[name]) for name in ("wanted", "phrased") if name in outputs}
    assert len(numbers) <= 1, f"link wrote {numbers} parts"
