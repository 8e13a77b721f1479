"""Settle: lay the verdicts back beside the parts they are about, sound the alarm, and keep splits apart.

Feeds are tied by the duplicates they share, and tied feeds lie in one split: that of the greatest place in [0, 1)
among them. As train has the greatest places, a recording can only ever move towards train when the corpus grows: what
a model was trained on never becomes held out.
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
from pipeline.dedup.link import by_part
from pipeline.errors import DataError
from pipeline.stage import PART, Context, Output, Stage, Tables

U64 = NDArray[np.uint64]
Splits = NDArray[np.int32]  # places in _SPLITS

_SPLITS = ("train", "validation", "test")  # declared: the first that a duplicate has
_TRAIN, _NONE = 0, len(_SPLITS)


def settle_stage(config: DedupConfig, has_eval_sets: bool) -> Stage:
    """Build the stage that gathers the verdicts."""
    contamination = {"contamination": None} if has_eval_sets else {}
    # Another alarm judges again; as the rows stay, nothing after it runs.
    alarm = {"max_source_loss": config.max_source_loss}
    return Stage(
        name="settle",
        reads={"signature": ("source",), "member": None, "phrased": None, **contamination},
        outputs=(
            Output(name="settled", schema=t.SETTLED, version=1, config=alarm, count_by=("method", "eval_set")),
            Output(name="feed_split", schema=t.FEED_SPLIT, version=1),
        ),
        run=Settle(max_source_loss=config.max_source_loss),
        conserve=_no_member_is_lost,
        is_gather=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """The settle stage's function."""

    max_source_loss: float

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Put everything there is to say of a recording in one row of its part."""
        members, feed_split = _with_splits(inputs["member"].drop_columns([PART]).sort_by("recording_id"))
        found = _spread(_found(inputs), members)
        phrased = _places(inputs["phrased"])
        places = np.unique(np.concatenate([members["place"].to_numpy(), found["place"].to_numpy(), phrased]))
        rows = _side_by_side(places, members, found)
        rows = rows.append_column("has_common_text", pa.array(np.isin(places, phrased)))
        self._check_losses(inputs["signature"], rows, places)
        parts = by_part(places, context.num_parts["signature"])
        settled = [rows.slice(part.start, part.stop - part.start).cast(t.SETTLED) for part in parts]
        return {"settled": settled, "feed_split": [feed_split]}

    def _check_losses(self, signatures: pa.Table, rows: pa.Table, places: U64) -> None:
        is_lost = pc.or_(pc.invert(pc.fill_null(rows["is_representative"], True)), pc.is_valid(rows["eval_set"]))
        sources, parts = signatures["source"], signatures[PART].to_numpy()
        firsts = np.searchsorted(parts, np.arange(parts[-1] + 1 if len(parts) else 0))  # parts stand together
        lost_places = places[is_lost.to_numpy()]
        numbers = firsts[lost_places >> np.uint64(t.ROW_BITS)] + (lost_places & np.uint64(t.ROW_MASK)).astype(np.int64)
        lost = _counts(sources.take(pa.array(numbers)))
        for source, num in sorted(_counts(sources).items()):
            if lost.get(source, 0) > self.max_source_loss * num:
                raise DataError(
                    f"source {source!r} loses {lost[source]} of {num} recordings as duplicates or evaluation data; "
                    f"expected at most {self.max_source_loss:.0%}; look at what they repeat, then mend the source "
                    "or raise dedup.max_source_loss"
                )


def _found(inputs: Tables) -> pa.Table:
    """Return the contaminated recordings with their places."""
    table = inputs.get("contamination", t.CONTAMINATION.empty_table().append_column(PART, pa.array([], pa.int64())))
    return table.append_column("place", pa.array(_places(table))).select(["place", "recording_id", *t.EVAL])


def _spread(found: pa.Table, members: pa.Table) -> pa.Table:
    """Contaminate the duplicates of what is contaminated: what holds for one holds for all of a cluster."""
    own = pc.index_in(members["recording_id"], found["recording_id"])
    guilty = members.append_column("found", own).filter(pc.is_valid(own))
    shared = guilty["found"].take(pc.index_in(members["cluster_id"], guilty["cluster_id"]))
    others = members.filter(pc.and_(pc.is_null(own), pc.is_valid(shared)))
    evidence = found.select(t.EVAL).take(shared.filter(pc.and_(pc.is_null(own), pc.is_valid(shared))))
    columns = {"place": others["place"], "recording_id": others["recording_id"]}
    spread = pa.table(columns | {name: evidence[name] for name in t.EVAL}, schema=found.schema)
    return pa.concat_tables([found, spread])


def _side_by_side(places: U64, members: pa.Table, found: pa.Table) -> pa.Table:
    """Return a row for each place, with what either table says of it."""
    member = members.take(pc.index_in(pa.array(places), members["place"]))
    tainted = found.take(pc.index_in(pa.array(places), found["place"]))
    columns = {
        "row": pa.array(places & np.uint64(t.ROW_MASK)),
        "recording_id": pc.coalesce(member["recording_id"], tainted["recording_id"]),
        **{name: member[name] for name in t.VERDICT},
        **{name: tainted[name] for name in t.EVAL},
        **{name: member[name] for name in t.SPLIT},
    }
    return pa.table(columns)


def _with_splits(members: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return members with the split of what they are tied to, and the feeds that are placed unlike themselves."""
    clusters = _numbers(members["cluster_id"])
    feeds, feed_of = np.unique(members["feed"].to_numpy(), return_inverse=True)
    num_clusters = int(clusters.max(initial=-1)) + 1
    declared = pc.fill_null(pc.index_in(members["declared_split"], pa.array(_SPLITS)), _NONE).to_numpy()
    # A recording with a split of its own goes with its duplicates, not with its feed.
    is_drawn = declared == _NONE
    ties = unions.roots(num_clusters + len(feeds), clusters[is_drawn], num_clusters + feed_of[is_drawn])
    tied = ties[clusters]
    split_at = np.full(len(ties), -1.0)
    np.maximum.at(split_at, tied[is_drawn], members["feed"].to_numpy()[is_drawn])
    said = _declared(tied, declared, split_at)
    columns = {
        "split_at": pa.array(np.where(split_at[tied] < 0, members["feed"].to_numpy(), split_at[tied])),
        "declared_split": _names(said[tied]),
    }
    of_feeds = ties[num_clusters:]
    moved = np.flatnonzero((split_at[of_feeds] > feeds) | (said[of_feeds] != _NONE))
    feed_split = {
        "feed": feeds[moved],
        "split_at": split_at[of_feeds[moved]],
        "declared_split": _names(said[of_feeds[moved]]),
    }
    members = members.drop_columns(["declared_split"])
    for name, column in columns.items():
        members = members.append_column(name, column)
    return members, pa.table(feed_split, schema=t.FEED_SPLIT)


def _declared(ties: unions.Numbers, declared: Splits, split_at: NDArray[np.float64]) -> Splits:
    """Return the split declared for what hangs together: train for all; another only where no feed is drawn."""
    said = np.full(len(split_at), _NONE, np.int32)
    counts = (declared == _TRAIN) | ((declared != _NONE) & (split_at[ties] < 0))
    np.minimum.at(said, ties[counts], declared[counts])
    return said


def _names(splits: Splits) -> pa.Array:
    return pa.array(_SPLITS).take(pa.array(splits, mask=splits == _NONE))


def _places(table: pa.Table) -> U64:
    parts = table[PART].to_numpy().astype(np.uint64)
    return (parts << np.uint64(t.ROW_BITS)) | table["row"].to_numpy().astype(np.uint64)


def _numbers(names: pa.ChunkedArray) -> unions.Numbers:
    return names.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)


def _counts(names: pa.ChunkedArray) -> dict[str, int]:
    return {pair["values"]: pair["counts"] for pair in names.value_counts().to_pylist()}


def _no_member_is_lost(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    if "settled" in outputs:
        found = sum(part.num_rows - part["cluster_id"].null_count for part in outputs["settled"])
        assert found == inputs["member"].num_rows, "a member was lost"
