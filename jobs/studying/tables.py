"""A study's numbers as tables, for the terminal, Markdown and the page alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jobs.evaluating.page import change, interval
from jobs.studying.curves import Curves, Point
from jobs.studying.findings import Effect, Finding, Step

MAX_STEPS = 8  # columns of a learning curve's table
Hours = Mapping[tuple[str, float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A heading, a sentence on how to read it, and cells of plain text."""

    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> Iterator[str]:
        """Yield the table's lines."""
        yield f"{self.title}: {self.note}"
        yield ""
        for cells in (self.head, ["---"] * len(self.head), *self.rows):
            yield f"| {' | '.join(cells)} |"
        yield ""


def values_table(found: Sequence[Finding], hours: Hours) -> Table:
    """Lay out every measure of every group."""
    metrics = list(dict.fromkeys(one.metric for one in found))
    groups = dict.fromkeys(one.group for one in found)
    cells = {(one.group, one.metric): f"{interval(one.pooled)}; {_seeds(one)}" for one in found}
    return Table(
        title="Values",
        note="pooled over the seeds, with the 95 % interval over recordings; then each seed's value",
        head=["size", "share", "minutes", "corpus", *metrics],
        rows=[
            [
                *(group.size, f"{group.share:g}", f"{hours[group.corpus, group.share] * 60:.1f}", group.corpus),
                *(cells[group, metric] for metric in metrics),
            ]
            for group in groups
        ],
    )


def effects_table(found: Sequence[Effect]) -> Table:
    """Lay out what steps of the grid change, and each other's changes."""
    metric = found[0].metric
    return Table(
        title=f"What a step changes about {metric}",
        note="on the same recordings and seeds, 95 % interval, * where it leaves out no change; "
        "of two steps: how much more the first one changes after the second one",
        head=["step", "at", f"change of {metric}"],
        rows=[[step_name(one), place_name(one), change(one.change)] for one in found],
    )


def curves_table(curves: Curves, measure: str, unit: str) -> Table:
    """Lay out the learning curves at up to so many of their steps."""
    steps = sorted({point.step for points in curves.values() for point in points})
    every = -(-len(steps) // MAX_STEPS)
    shown = steps[::-1][::every][::-1]
    known = {(group, point.step): point for group, points in curves.items() for point in points}
    return Table(
        title=f"Held-out {measure} as training goes on",
        note=f"{unit}; the middle of the seeds, and their least and most",
        head=["size", "share", "corpus", *(f"step {step}" for step in shown)],
        rows=[
            [
                *(group.size, f"{group.share:g}", group.corpus),
                *(_point(known.get((group, step))) for step in shown),
            ]
            for group in curves
        ],
    )


def step_name(one: Effect) -> str:
    """Say what changes, as "half → demo", and what is crossed with it."""
    return _move(one.step) if one.across is None else f"{_move(one.step)} × {_move(one.across)}"


def place_name(one: Effect) -> str:
    """Say what stays the same."""
    axes = {one.step.axis} | ({one.across.axis} if one.across else set())
    group = one.step.before
    kept = {"corpus": group.corpus, "size": group.size, "share": f"share {group.share:g}"}
    return ", ".join(text for axis, text in kept.items() if axis not in axes)


def _move(step: Step) -> str:
    before, after = (getattr(group, step.axis) for group in (step.before, step.after))
    return f"share {before:g} → {after:g}" if step.axis == "share" else f"{before} → {after}"


def _seeds(one: Finding) -> str:
    return ", ".join(f"{value:.3f}" for value in one.by_seed.values())


def _point(point: Point | None) -> str:
    if point is None:
        return ""
    reach = "" if point.least == point.most else f" ({point.least:.2f} to {point.most:.2f})"
    return f"{point.middle:.2f}{reach}"
