"""The summary in the shapes a page draws: a funnel that adds up, tables with totals, shares to shade by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.report import wording
from pipeline.report.counts import OTHERS, Cell, Tally
from pipeline.report.signals import Signal
from pipeline.report.summary import Summary

MAX_COLUMNS = 8
MAX_ROWS = 40
MAX_CONFUSED = 14
SHADES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A line of the funnel: rows, audio as written, and a bar from `start` over `width`, both shares of the whole."""

    label: str
    tone: str  # whole, rejected, kept, or part (of what is kept)
    num: int | None
    unit: str
    duration_ms: int | None
    hours: str
    share: str
    start: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A cross table of amounts, with totals; rows and columns with most of it first, the rest as 'others'."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...], int], ...]
    totals: tuple[int, ...]
    total: int

    def shade(self, value: int, of: int) -> int:
        """Say how dark a cell is drawn: 0 for nothing, up to SHADES."""
        return 1 + int((SHADES - 1) * value / of) if value and of else 0

    @property
    def highest(self) -> int:
        """Largest cell."""
        return max((value for _, values, _ in self.rows for value in values), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """A licence: candidates under it by what became of them, and kept audio."""

    name: str
    num: int
    num_accepted: int
    kept_ms: int


def funnel(summary: Summary) -> list[Step]:
    """Let candidates fall to recordings, recordings to windows and windows to what is kept."""
    return [*_candidate_steps(summary), *_audio_steps(summary)]


def _candidate_steps(summary: Summary) -> list[Step]:
    whole = summary.num_candidates
    steps = [_counted("Candidates", "whole", whole, 0, whole)]
    left = whole
    for line in summary.statuses:
        if line.name != "ok":
            left -= line.num
            steps.append(_counted(wording.words(line.name), "rejected", line.num, left, whole))
    return steps


def _counted(label: str, tone: str, num: int, start: int, whole: int) -> Step:
    return Step(
        label=label,
        tone=tone,
        num=num,
        unit="candidate",
        duration_ms=None,
        hours="",
        share=wording.share(num, whole),
        start=start / max(1, whole),
        width=num / max(1, whole),
    )


def _audio_steps(summary: Summary) -> list[Step]:
    """Every line under 'Fetched' is a part of it, and the parts as written add up to the whole as written."""
    whole = summary.audio.duration_ms
    between = Tally(name="pauses between windows", num=0, duration_ms=summary.between_ms)
    first = [reason.first for reason in summary.reasons if reason.first.num]
    windows_ms = [sum(line.duration_ms for line in first), summary.kept.duration_ms]
    pause, rejected, kept = wording.in_units([between.duration_ms, *windows_ms], whole)
    written = {
        **_written(first, whole, rejected),
        **_written(summary.kinds, whole, kept),
        between.name: pause,
    }
    left = whole - between.duration_ms

    def step(line: Tally, amount: int, tone: str, start: int, unit: str = "window") -> Step:
        return Step(
            label=wording.words(line.name),
            tone=tone,
            num=line.num if line is not between else None,
            unit=unit,
            duration_ms=line.duration_ms,
            hours=wording.written(amount, whole),
            share=wording.share(line.duration_ms, whole),
            start=start / max(1, whole),
            width=line.duration_ms / max(1, whole),
        )

    fetched = Tally(name="Fetched and decoded", num=summary.audio.num, duration_ms=whole)
    windows = Tally(name="Windows", num=summary.windows.num, duration_ms=left)
    steps = [
        step(fetched, pause + rejected + kept, "whole", 0, "recording"),
        step(between, pause, "rejected", left),
        step(windows, rejected + kept, "whole", 0),
    ]
    for line in first:
        left -= line.duration_ms
        steps.append(step(line, written[line.name], "rejected", left))
    total = Tally(name="Kept", num=summary.kept.num, duration_ms=summary.kept.duration_ms)
    steps.append(step(total, kept, "kept", 0))
    start = 0
    for line in summary.kinds:
        steps.append(step(line, written[line.name], "part", start))
        start += line.duration_ms
    shards = Tally(name="In shards", num=summary.shards.num_samples, duration_ms=summary.shards.duration_ms)
    [held] = wording.in_units([shards.duration_ms], whole)
    steps.append(step(shards, kept if shards.duration_ms == total.duration_ms else held, "kept", 0, "sample"))
    return steps


def _written(lines: Sequence[Tally], whole_ms: int, total: int) -> dict[str, int]:
    units = wording.in_units([line.duration_ms for line in lines], whole_ms, total)
    return dict(zip([line.name for line in lines], units, strict=True))


def confusion(cells: Sequence[Cell]) -> Matrix:
    """Arrange recordings as a table whose columns stand in the order of the rows, so that agreement is a diagonal."""
    table = matrix(cells, count="num", max_rows=MAX_CONFUSED)
    sums: Counter[tuple[str, str]] = Counter()
    rows = [name for name, _, _ in table.rows]
    columns = [name for name in rows if name != OTHERS]
    found = [name for name in _ordered((cell.column, cell.num) for cell in cells) if name not in columns]
    columns += found[: MAX_CONFUSED - len(columns)]
    if len(found) > len(columns) - len(rows) or OTHERS in rows:
        columns.append(OTHERS)
    for cell in cells:
        sums[cell.row if cell.row in rows else OTHERS, cell.column if cell.column in columns else OTHERS] += cell.num
    shown = [name for name in columns if any(sums[row, name] for row in rows)]
    values = {row: tuple(sums[row, name] for name in shown) for row in rows}
    totals = tuple(sum(row[index] for row in values.values()) for index in range(len(shown)))
    return Matrix(
        columns=tuple(shown),
        rows=tuple((name, row, sum(row)) for name, row in values.items()),
        totals=totals,
        total=sum(totals),
    )


def matrix(cells: Sequence[Cell], last: str = "", count: str = "duration_ms", max_rows: int = MAX_ROWS) -> Matrix:
    """Arrange cells as a table; columns beyond the eighth and rows beyond `max_rows` are one, `last` is at the end."""
    amounts = [(cell.row, cell.column, int(getattr(cell, count))) for cell in cells]
    by_column = _ordered((column, amount) for _, column, amount in amounts)
    by_row = _ordered((row, amount) for row, _, amount in amounts)
    shown = [name for name in by_column if name != last][:MAX_COLUMNS]
    rest, deep = set(by_column) - {*shown, last}, set(by_row[max_rows:])
    columns = (*shown, *([OTHERS] if rest else []), *([last] if last in by_column else []))
    sums: Counter[tuple[str, str]] = Counter()
    for row, column, amount in amounts:
        sums[OTHERS if row in deep else row, OTHERS if column in rest else column] += amount
    names = [*by_row[:max_rows], *([OTHERS] if deep and OTHERS not in by_row[:max_rows] else [])]
    values = {name: tuple(sums[name, column] for column in columns) for name in names}
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


def licenses(summary: Summary) -> list[License]:
    """Put the states of each licence's candidates together, most kept audio first."""
    rows: dict[str, Counter[str]] = {}
    for cell in summary.rights.licenses:
        row = rows.setdefault(cell.row, Counter())
        row.update(num=cell.num, kept_ms=cell.duration_ms)
        row["accepted"] += cell.num if cell.column == "accepted" else 0
    found = [
        License(name=name, num=row["num"], num_accepted=row["accepted"], kept_ms=row["kept_ms"])
        for name, row in rows.items()
    ]
    return sorted(found, key=lambda line: (-line.kept_ms, -line.num, line.name))


def ruled(summary: Summary) -> tuple[list[Signal], list[Signal]]:
    """Part signals into those a rule judges by, the costliest rules first, and the others."""
    any_ms = {reason.name: reason.any.duration_ms for reason in summary.reasons}
    judged = [item for item in summary.signals if item.thresholds]
    judged.sort(key=lambda item: -max(any_ms.get(rule.reason, 0) for rule in item.thresholds))
    return judged, [item for item in summary.signals if not item.thresholds]


def yes_and_no(signal: Signal) -> tuple[tuple[str, int, int], ...]:
    """Return answer, kept and rejected windows of a yes-or-no signal."""
    return tuple(
        (name, item.num_kept, item.num_rejected) for name, item in zip(("no", "yes"), signal.bins, strict=True)
    )


def biggest(lines: Sequence[Tally]) -> int:
    """Return the largest number of a list, at least 1, to scale bars by."""
    return max([1, *(line.num for line in lines)])
