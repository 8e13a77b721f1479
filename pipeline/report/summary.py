"""The numbers of a run, in rows and hours that add up: nothing is estimated and nothing is left out.

candidates = recordings kept + rejected + failed;  audio = windows + audio between windows;
windows = kept by kind + rejected by first reason.  A recording is kept when one of its windows is, failed when it
has no decodable audio, and rejected otherwise. Only the distributions may be drawn of a sample, which says its size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.ranking import Place
from pipeline.report.books import KEPT, REJECTED, SAMPLE_WINDOWS, Books, failures_of, groups_of
from pipeline.report.counts import Cell, Tally, by_audio, total
from pipeline.report.evidence import Contaminated, Pair, with_partners
from pipeline.report.inputs import Run
from pipeline.report.samples import Failure, Window
from pipeline.report.signals import Signal, signals
from pipeline.report.truth import Truth

MAX_PLACES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A reason for rejection: windows it comes first for, all it stands against, and those only it rejects."""

    name: str
    first: Tally
    any: Tally
    alone: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """What lies in the shards."""

    num_shards: int
    num_samples: int
    num_bytes: int
    duration_ms: int
    synthetic_ms: int  # of it, what machines spoke


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Who wrote the texts, and in which languages recordings are claimed, written and heard; all in recordings."""

    origins: tuple[Cell, ...]  # language x who wrote it
    signs: tuple[Tally, ...]  # verbatim signs and statements that say who wrote it
    written: tuple[Cell, ...]  # declared language x language of the text
    heard: tuple[Cell, ...]  # claimed language x language heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Licences with kept audio, and refusals: all in candidates."""

    licenses: tuple[Cell, ...]  # licence x state in the ledger
    refusals: tuple[Cell, ...]  # opted_out or taken_down x the signal or entry, verbatim
    robots: tuple[Tally, ...]  # verdicts of robots.txt, where one was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How many windows the distributions are drawn of."""

    num: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything a report says. A `Tally` counts windows where it does not say recordings or candidates."""

    num_candidates: int
    states: tuple[Tally, ...]  # candidates by state in the ledger
    statuses: tuple[Tally, ...]  # recordings by status, 'ok' among them
    outcomes: tuple[Tally, ...]  # recordings kept, rejected, failed
    captions: tuple[Tally, ...]  # decodable recordings by the state of their caption
    duplicates: tuple[Tally, ...]  # recordings that repeat another, by method
    pairs: tuple[Pair, ...]  # some of them
    contaminated: tuple[Tally, ...]  # recordings that hold part of an evaluation set, by set
    in_evals: tuple[Contaminated, ...]  # some of them
    audio: Tally  # decodable recordings
    windows: Tally
    between_ms: int  # audio in no window: pauses too short for one
    kept: Tally
    kinds: tuple[Tally, ...]
    reasons: tuple[Reason, ...]  # most hours first
    by_language: tuple[Cell, ...]  # language x kind or 'rejected'
    by_task: tuple[Cell, ...]  # language x task; a kept window may serve several
    by_source: tuple[Cell, ...]  # source x kind or 'rejected'
    by_split: tuple[Cell, ...]  # split x kind, kept windows
    reasons_by_language: tuple[Cell, ...]  # first reason x language
    reasons_by_source: tuple[Cell, ...]  # first reason x source
    shards: Shards
    signals: tuple[Signal, ...]
    sample: Sample
    truth: Truth | None
    places: tuple[Place, ...]  # sources, hosts and feeds by wrong hours
    texts: Texts
    rights: Rights
    drawn: Mapping[str, tuple[Window, ...]]  # windows drawn by lot, by first reason or 'kept: ' and kind
    failures: tuple[Failure, ...]
    settings: Mapping[str, str]


def summarise(run: Run, sample_windows: int = SAMPLE_WINDOWS) -> Summary:
    """Count a run, part by part; DataError when the tables do not belong together."""
    books = Books(run, sample_windows)
    for part in run.parts():
        books.add(part)
    is_kept, families = books.sampled()
    windows, audio = total("windows", books.windows.tallies()), total("audio", books.audio.tallies())
    kinds = tuple(line for line in books.windows.tallies() if line.name != REJECTED)
    summary = Summary(
        num_candidates=books.num_candidates,
        states=books.states.tallies(),
        statuses=books.statuses.tallies(),
        outcomes=_outcomes(books),
        captions=books.captions.tallies(),
        duplicates=books.duplicates.tallies(),
        pairs=with_partners([pair for rows in books.pairs.groups().values() for pair in rows], run.recordings()),
        contaminated=books.contaminated.tallies(),
        in_evals=tuple(row for rows in books.in_evals.groups().values() for row in rows),
        audio=audio,
        windows=windows,
        between_ms=audio.duration_ms - windows.duration_ms,
        kept=total(KEPT, kinds),
        kinds=kinds,
        reasons=_reasons(books),
        by_language=books.kinds.cells(),
        by_task=books.tasks.cells(),
        by_source=books.by_source.cells(),
        by_split=books.by_split.cells(),
        reasons_by_language=books.first_by_language.cells(),
        reasons_by_source=books.first_by_source.cells(),
        shards=_shards(run.shard_index),
        signals=signals(families, is_kept, run.thresholds),
        sample=Sample(num=len(is_kept), of=windows.num),
        truth=books.truths.judge() if books.truths else None,
        places=tuple(books.ranking.places(MAX_PLACES)),
        texts=_texts(books),
        rights=_rights(books),
        drawn=groups_of(books.drawn),
        failures=failures_of(books.failures),
        settings=dict(run.settings),
    )
    _check(summary)
    return summary


def _outcomes(books: Books) -> tuple[Tally, ...]:
    found = {line.name: line for line in books.outcomes.tallies()}
    decodable = [found.get(name, Tally(name=name, num=0, duration_ms=0)) for name in (KEPT, REJECTED)]
    num_failed = books.num_candidates - sum(line.num for line in decodable)
    return (*decodable, Tally(name="failed", num=num_failed, duration_ms=0))


def _reasons(books: Books) -> tuple[Reason, ...]:
    counts = (books.first_by_language, books.any_reason, books.alone)
    first, standing, alone = ({line.name: line for line in count.tallies()} for count in counts)
    found = [
        Reason(
            name=name,
            first=first.get(name, Tally(name=name, num=0, duration_ms=0)),
            any=standing[name],
            alone=alone.get(name, Tally(name=name, num=0, duration_ms=0)),
        )
        for name in standing
    ]
    return tuple(sorted(found, key=lambda reason: (-reason.first.duration_ms, -reason.any.duration_ms, reason.name)))


def _texts(books: Books) -> Texts:
    return Texts(
        origins=books.origins.cells(),
        signs=books.origin_signs.tallies(),
        written=books.written.cells(),
        heard=books.heard.cells(),
    )


def _rights(books: Books) -> Rights:
    return Rights(
        licenses=books.licenses.cells(), refusals=books.refusals.cells(), robots=by_audio(books.robots.tallies())
    )


def _shards(index: pa.Table) -> Shards:
    return Shards(
        num_shards=index.num_rows,
        num_samples=pc.sum(index["num_samples"]).as_py() or 0,
        num_bytes=pc.sum(index["bytes"]).as_py() or 0,
        duration_ms=pc.sum(index["duration_ms"]).as_py() or 0,
        synthetic_ms=pc.sum(index.filter(index["is_synthetic"])["duration_ms"]).as_py() or 0,
    )


def _check(summary: Summary) -> None:
    first = [reason.first for reason in summary.reasons]
    sums = (
        ("recordings by outcome", _num(summary.outcomes), summary.num_candidates),
        ("recordings by status", _num(summary.statuses), summary.num_candidates),
        ("candidates by state", _num(summary.states), summary.num_candidates),
        ("windows kept and rejected", summary.kept.num + _num(first), summary.windows.num),
        ("windows by source", _num(summary.by_source), summary.windows.num),
        ("windows by language", _num(summary.by_language), summary.windows.num),
        (
            "milliseconds kept, rejected and between windows",
            _ms(summary.kinds) + _ms(first) + summary.between_ms,
            summary.audio.duration_ms,
        ),
    )
    for what, found, expected in sums:
        if found != expected:
            raise DataError(f"report counts {found} {what}; expected {expected}; give the tables of one run")
    if summary.between_ms < 0:
        raise DataError(
            f"report has {-summary.between_ms} ms more windows than audio; expected windows inside recordings; "
            "give the tables of one run"
        )


def _num(lines: Sequence[Tally | Cell]) -> int:
    return sum(line.num for line in lines)


def _ms(lines: Sequence[Tally | Cell]) -> int:
    return sum(line.duration_ms for line in lines)
