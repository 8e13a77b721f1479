"""What the answers of a study come to: each group's measures over its seeds, and what a step of the grid changes.

A step changes one thing: filters, share or size. Two steps across each other make an interaction: what the one changes
after the other, less what it changed before. All are differences on the same recordings and seeds, with the
bootstrap's interval over recordings; how far seeds lie apart stands beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jobs.studying.settings import Cell, Group, Settings
from model.evaluation.bootstrap import Counts, Estimate, Measure, estimate, ratio
from model.evaluation.evaluate import Utterance
from model.evaluation.normalisers import BASIC
from model.evaluation.results import NONE, measures

Run = Sequence[Utterance]
Answers = Mapping[Cell, Run]
LOSS = "loss"
AXES = ("corpus", "size", "share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A measure of one group over all its seeds, and each seed's value."""

    group: Group
    metric: str
    pooled: Estimate
    by_seed: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Step:
    """From one group to another that differs on one axis."""

    axis: str
    before: Group
    after: Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a step changes; with `across`, how much more it changes after that step than before it."""

    step: Step
    across: Step | None
    metric: str
    change: Estimate


def findings(settings: Settings, answers: Answers) -> list[Finding]:
    """Pool the seeds of each group, measure by measure."""
    return [
        Finding(
            group=group,
            metric=metric,
            pooled=estimate(pooled(runs.values(), metric), _recordings(runs.values()), settings.resamples),
            by_seed={seed: _value(pooled([run], metric)) for seed, run in runs.items()},
        )
        for metric in settings.metrics
        for group, runs in by_group(answers).items()
    ]


def effects(settings: Settings, answers: Answers, metric: str) -> list[Effect]:
    """Return what every step of the grid changes, then what every two steps do to each other."""
    runs = by_group(answers)
    steps = _steps(settings, runs)
    crossed = [
        (step, across)
        for step, across in itertools.product(steps, steps)
        if AXES.index(step.axis) < AXES.index(across.axis) and step.before == across.before
        if _moved(step, across) in steps
    ]
    found: list[Effect] = []
    for step, across in (*((one, None) for one in steps), *crossed):
        terms = [(step.after, 1.0), (step.before, -1.0)]
        if across is not None:
            later = _moved(step, across)
            terms = [(later.after, 1.0), (later.before, -1.0), (step.after, -1.0), (step.before, 1.0)]
        change = _contrast({group: runs[group] for group, _ in terms}, [sign for _, sign in terms], metric, settings)
        if change is not None:
            found.append(Effect(step=step, across=across, metric=metric, change=change))
    return found


def by_group(answers: Answers) -> dict[Group, dict[int, Run]]:
    """Return the runs of each group by their seed."""
    found: dict[Group, dict[int, Run]] = {}
    for cell, run in answers.items():
        found.setdefault(cell.group, {})[cell.seed] = run
    return found


def pooled(runs: Iterable[Run], metric: str) -> Measure:
    """Return a measure over some runs together.

    The loss is for each character of text, since every corpus and share has a vocabulary of its own.
    """
    utterances = [one for run in runs for one in run]
    if metric == LOSS:
        counts = [(one.nll, len(one.item.text) if one.num_tokens else 0) for one in utterances]
        return Measure(name=LOSS, normaliser=NONE, counts_UK=np.array(counts, dtype=np.float64), value=ratio)
    found = measures("transcribe", utterances)
    return next(one for one in found if one.name == metric and one.normaliser in (BASIC, NONE))


def tokens_per_character(runs: Iterable[Run]) -> float:
    """Return how many tokens the vocabularies of some runs spend on a character."""
    told = [one for run in runs for one in run if one.num_tokens]
    return sum(one.num_tokens for one in told) / max(1, sum(len(one.item.text) for one in told))


def _steps(settings: Settings, groups: Collection[Group]) -> list[Step]:
    """List the steps of the grid: from the judging corpus to each other, from each share and size to the next."""
    first, *others = settings.corpora
    pairs: dict[str, list[tuple[object, object]]] = {
        "corpus": [(first, other) for other in others],
        "size": list(itertools.pairwise(settings.sizes)),
        "share": list(itertools.pairwise(sorted(settings.shares))),
    }
    return [
        Step(axis, group, after)
        for axis in AXES
        for before, value in pairs[axis]
        for group in groups
        if getattr(group, axis) == before and (after := replace(group, **{axis: value})) in groups
    ]


def _moved(step: Step, across: Step) -> Step:
    """Return the same step where the other one has been taken."""
    there = {across.axis: getattr(across.after, across.axis)}
    return Step(step.axis, replace(step.before, **there), replace(step.after, **there))


def _contrast(
    runs: Mapping[Group, Mapping[int, Run]], signs: Sequence[float], metric: str, settings: Settings
) -> Estimate | None:
    """Return the signed sum of a measure of some groups, over the seeds they share; None where they share none."""
    seeds = sorted(set.intersection(*(set(of_group) for of_group in runs.values())))
    if not seeds:
        return None
    chosen = [[of_group[seed] for seed in seeds] for of_group in runs.values()]
    parts = [pooled(of_group, metric) for of_group in chosen]
    width = parts[0].counts_UK.shape[1]

    def value(sums_K: Counts) -> Counts:
        terms = (sums_K[..., place * width : (place + 1) * width] for place in range(len(parts)))
        return np.sum([sign * part.value(one) for sign, part, one in zip(signs, parts, terms, strict=True)], axis=0)

    together = Measure(
        name=metric, normaliser=NONE, counts_UK=np.hstack([part.counts_UK for part in parts]), value=value
    )
    return estimate(together, _recordings(chosen[0]), settings.resamples)


def _recordings(runs: Iterable[Run]) -> list[str]:
    return [one.item.recording_id for run in runs for one in run]


def _value(measure: Measure) -> float:
    return float(measure.value(measure.counts_UK.sum(axis=0)))
