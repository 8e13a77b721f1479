"""The numbers of a run, in rows and hours that add up: nothing is estimated and nothing is left out.

candidates = recordings kept + rejected + failed;  audio = windows + audio between windows;
windows = kept by kind + rejected by first reason.  A recording is kept when one of its windows is, failed when it
has no decodable audio, and rejected otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.report.counts import Cell, Tally, crosstab, tally, total_ms
from pipeline.report.examples import Example, Failure, examples_by_reason, sample_failures
from pipeline.report.inputs import ReportTables
from pipeline.report.signals import Signal, signals
from pipeline.report.truth import Truth, measure

REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A reason for rejection: windows it comes first for, all it stands against, and those only it rejects."""

    name: str
    first: Tally
    any: Tally
    alone: Tally
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """What lies in the shards."""

    num_shards: int
    num_samples: int
    num_bytes: int
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything a report says. A `Tally` counts windows where it does not say recordings."""

    num_candidates: int
    statuses: tuple[Tally, ...]  # recordings by status, 'ok' among them
    outcomes: tuple[Tally, ...]  # recordings kept, rejected, failed
    captions: tuple[Tally, ...]  # decodable recordings by the state of their caption
    duplicates: tuple[Tally, ...]  # recordings that repeat another, by method
    contaminated: tuple[Tally, ...]  # recordings that hold part of an evaluation set, by set
    audio: Tally  # decodable recordings
    windows: Tally
    between_ms: int  # audio in no window: pauses too short for one
    kept: Tally
    kinds: tuple[Tally, ...]
    reasons: tuple[Reason, ...]  # most hours first
    by_language: tuple[Cell, ...]  # language x kind or 'rejected'
    by_source: tuple[Cell, ...]  # source x kind or 'rejected'
    by_split: tuple[Cell, ...]  # split x kind, kept windows
    reasons_by_language: tuple[Cell, ...]  # first reason x language
    shards: Shards
    signals: tuple[Signal, ...]
    truth: Truth | None
    failures: tuple[Failure, ...]
    settings: Mapping[str, str]


def summarise(inputs: ReportTables) -> Summary:
    """Count a run; DataError when the tables do not belong together."""
    windows = inputs.windows()
    verdict = pc.fill_null(windows["kind"], REJECTED)
    windows = windows.append_column("verdict", verdict)
    decodable = inputs.recording.filter(pc.equal(inputs.recording["status"], "ok"))
    kept = windows.filter(windows["kept"])
    rejected = windows.filter(pc.invert(windows["kept"]))
    summary = Summary(
        num_candidates=inputs.candidate.num_rows,
        statuses=tally(inputs.recording, "status"),
        outcomes=_outcomes(inputs.recording, decodable, kept),
        captions=tally(_first_windows(windows, decodable), "caption_status"),
        duplicates=_by(windows.filter(pc.invert(windows["is_representative"])), "method", decodable),
        contaminated=_by(windows.filter(pc.is_valid(windows["eval_set"])), "eval_set", decodable),
        audio=_total("audio", decodable),
        windows=_total("windows", windows),
        between_ms=total_ms(decodable) - total_ms(windows),
        kept=_total("kept", kept),
        kinds=tally(kept, "kind"),
        reasons=_reasons(rejected, inputs.recording),
        by_language=crosstab(windows, "lang", "verdict"),
        by_source=crosstab(windows, "source", "verdict"),
        by_split=crosstab(kept, "split", "kind"),
        reasons_by_language=crosstab(rejected, "reason", "lang"),
        shards=_shards(inputs.shard_index),
        signals=signals(inputs.families, windows["kept"], inputs.thresholds),
        truth=None if inputs.labels is None else measure(inputs.labels, inputs.recording, windows),
        failures=sample_failures(inputs.recording),
        settings=dict(inputs.settings),
    )
    _check(summary)
    return summary


def _outcomes(recordings: pa.Table, decodable: pa.Table, kept: pa.Table) -> tuple[Tally, ...]:
    has_kept = pc.is_in(decodable["recording_id"], value_set=pc.unique(kept["recording_id"]))
    return (
        _total("kept", decodable.filter(has_kept)),
        _total(REJECTED, decodable.filter(pc.invert(has_kept))),
        Tally(name="failed", num=recordings.num_rows - decodable.num_rows, duration_ms=0),
    )


def _first_windows(windows: pa.Table, decodable: pa.Table) -> pa.Table:
    """Return a row for each recording, with its duration and its caption's state."""
    states = (
        windows.select(["recording_id", "caption_status"])
        .group_by("recording_id")
        .aggregate([("caption_status", "min")])
    )
    states = states.rename_columns(["recording_id", "caption_status"])
    return decodable.select(["recording_id", "duration_ms"]).join(states, "recording_id", join_type="left outer")


def _by(windows: pa.Table, column: str, decodable: pa.Table) -> tuple[Tally, ...]:
    """Count the recordings that some windows are of, by what a column says of them."""
    said = windows.group_by("recording_id").aggregate([(column, "min")]).rename_columns(["recording_id", column])
    durations = decodable.select(["recording_id", "duration_ms"])
    return tally(durations.join(said, "recording_id", join_type="inner"), column)


def _reasons(rejected: pa.Table, recordings: pa.Table) -> tuple[Reason, ...]:
    parents = pc.list_parent_indices(rejected["reasons"].combine_chunks())
    each = rejected.select(["duration_ms"]).take(parents).append_column("reason", pc.list_flatten(rejected["reasons"]))
    only = rejected.filter(pc.equal(pc.list_value_length(rejected["reasons"]), 1))
    first, standing, alone = ({line.name: line for line in tally(table, "reason")} for table in (rejected, each, only))
    examples = examples_by_reason(rejected, recordings)
    found = [
        Reason(
            name=name,
            first=first.get(name, Tally(name=name, num=0, duration_ms=0)),
            any=standing[name],
            alone=alone.get(name, Tally(name=name, num=0, duration_ms=0)),
            examples=examples.get(name, ()),
        )
        for name in standing
    ]
    return tuple(sorted(found, key=lambda reason: (-reason.first.duration_ms, -reason.any.duration_ms, reason.name)))


def _shards(index: pa.Table) -> Shards:
    return Shards(
        num_shards=index.num_rows,
        num_samples=pc.sum(index["num_samples"]).as_py() or 0,
        num_bytes=pc.sum(index["bytes"]).as_py() or 0,
        duration_ms=total_ms(index),
    )


def _total(name: str, table: pa.Table) -> Tally:
    return Tally(name=name, num=table.num_rows, duration_ms=total_ms(table))


def _check(summary: Summary) -> None:
    _must_equal("recordings by outcome", _num(summary.outcomes), summary.num_candidates)
    _must_equal("recordings by status", _num(summary.statuses), summary.num_candidates)
    first = [reason.first for reason in summary.reasons]
    _must_equal("windows kept and rejected", summary.kept.num + _num(first), summary.windows.num)
    _must_equal("windows kept by kind", _num(summary.kinds), summary.kept.num)
    spent_ms = _ms(summary.kinds) + _ms(first) + summary.between_ms
    _must_equal("milliseconds kept, rejected and between windows", spent_ms, summary.audio.duration_ms)
    if summary.between_ms < 0:
        raise DataError(
            f"report has {-summary.between_ms} ms more windows than audio; expected windows inside recordings; "
            "give the tables of one run"
        )


def _must_equal(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise DataError(f"report counts {found} {what}; expected {expected}; give the tables of one run")


def _num(lines: Sequence[Tally]) -> int:
    return sum(line.num for line in lines)


def _ms(lines: Sequence[Tally]) -> int:
    return sum(line.duration_ms for line in lines)
