"""The summary in the shapes a page draws: bars that fall step by step, tables with totals, histogram heights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.report.counts import Cell, Tally
from pipeline.report.signals import Signal
from pipeline.report.summary import Summary

MAX_COLUMNS = 8
OTHERS = "others"
GAP = 0.06  # share of a bar left free on either side
BOOL_GAP = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A bar of the waterfall: from `start` it spans `width`, both shares of the whole."""

    label: str
    tone: str  # whole, lost or kept
    num: int | None
    amount: int
    start: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A cross table of milliseconds, with totals; rows and columns with most audio first."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...], int], ...]
    totals: tuple[int, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bin of a histogram, with room beside it: edges in percent, heights of its parts in percent of the highest."""

    left: float
    width: float
    kept: float
    rejected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A limit on a histogram: where it stands, in percent, and what it says."""

    left: float
    text: str
    why: str


def audio_steps(summary: Summary) -> list[Step]:
    """Let the audio fall from all that was decoded to what is kept."""
    whole = summary.audio.duration_ms
    lost = [("between windows", None, summary.between_ms)]
    lost += [
        (reason.name, reason.first.num, reason.first.duration_ms) for reason in summary.reasons if reason.first.num
    ]
    kept = [(line.name, line.num, line.duration_ms) for line in summary.kinds]
    return _waterfall(("audio decoded", None, whole), lost, kept)


def recording_steps(summary: Summary) -> list[Step]:
    """Let the recordings fall from all candidates to those with a kept window."""
    outcomes = {line.name: line.num for line in summary.outcomes}
    lost = [(line.name, line.num, line.num) for line in summary.statuses if line.name != "ok"]
    lost.append(("no window kept", outcomes["rejected"], outcomes["rejected"]))
    kept = [("kept", outcomes["kept"], outcomes["kept"])]
    return _waterfall(("candidates", None, summary.num_candidates), lost, kept)


def _waterfall(
    whole: tuple[str, None, int], lost: Sequence[tuple[str, int | None, int]], kept: Sequence[tuple[str, int, int]]
) -> list[Step]:
    scale = max(1, whole[2])
    steps = [Step(label=whole[0], tone="whole", num=None, amount=whole[2], start=0.0, width=1.0 if whole[2] else 0.0)]
    end = whole[2]
    for label, num, amount in lost:
        end -= amount
        steps.append(Step(label=label, tone="lost", num=num, amount=amount, start=end / scale, width=amount / scale))
    start = 0
    for label, num, amount in kept:
        steps.append(Step(label=label, tone="kept", num=num, amount=amount, start=start / scale, width=amount / scale))
        start += amount
    return steps


def matrix(cells: Sequence[Cell], last: str = "") -> Matrix:
    """Arrange cells as a table; columns beyond the eighth are one, and `last` stands at the end."""
    by_column = _ordered((cell.column, cell.duration_ms) for cell in cells)
    shown = [name for name in by_column if name != last][:MAX_COLUMNS]
    rest = set(by_column) - {*shown, last}
    columns = (*shown, *([OTHERS] if rest else []), *([last] if last in by_column else []))
    amounts: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        amounts[cell.row, OTHERS if cell.column in rest else cell.column] += cell.duration_ms
    names = _ordered((cell.row, cell.duration_ms) for cell in cells)
    values = {name: tuple(amounts[name, column] for column in columns) for name in names}
    totals = tuple(sum(row[index] for row in values.values()) for index in range(len(columns)))
    return Matrix(
        columns=columns,
        rows=tuple((name, row, sum(row)) for name, row in values.items()),
        totals=totals,
        total=sum(totals),
    )


def _ordered(pairs: Iterable[tuple[str, int]]) -> list[str]:
    amounts: Counter[str] = Counter()
    for name, amount in pairs:
        amounts[name] += amount
    return sorted(amounts, key=lambda name: (-amounts[name], name))


def bars(signal: Signal) -> list[Bar]:
    """Scale a histogram to 100 by 100; a bin with anything in it is seen."""
    if not signal.bins:
        return []
    low, span = signal.bins[0].start, signal.bins[-1].end - signal.bins[0].start
    gap = BOOL_GAP if signal.is_bool else GAP
    highest = max(1, *(item.num_kept + item.num_rejected for item in signal.bins))
    return [
        Bar(
            left=100 * (item.start - low) / span + gap * 100 / len(signal.bins),
            width=(1 - 2 * gap) * 100 * (item.end - item.start) / span,
            kept=_height(item.num_kept, highest),
            rejected=_height(item.num_rejected, highest),
        )
        for item in signal.bins
        if item.num_kept or item.num_rejected
    ]


def marks(signal: Signal) -> list[Mark]:
    """Place a signal's limits over its histogram."""
    if not signal.bins or signal.is_bool:
        return []
    low, span = signal.bins[0].start, signal.bins[-1].end - signal.bins[0].start
    return [
        Mark(left=100 * (float(limit) - low) / span, text=f"{name} {limit:g}", why=item.why)
        for item in signal.thresholds
        for name, limit in item.keep.items()
    ]


def biggest(lines: Sequence[Tally]) -> int:
    """Return the largest number of a list, at least 1, to scale bars by."""
    return max([1, *(line.num for line in lines)])


def _height(number: int, highest: int) -> float:
    return max(1.5, 96 * number / highest) if number else 0.0
