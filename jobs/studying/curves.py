"""Learning curves: what each run wrote down about held-out speech as it trained."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, median

from jobs.studying.findings import Answers, tokens_per_character
from jobs.studying.settings import Cell, Group, Settings
from jobs.tracking.logbook import METRICS

# What a run calls it (each language has its own), and how it is called here.
SERIES = {"loss": "held_out/transcribe-", "wer": "held_out/wer/transcribe-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A measure after so many steps: the middle, least and most of the seeds."""

    step: int
    middle: float
    least: float
    most: float


Curves = Mapping[Group, list[Point]]


def learning_curves(settings: Settings, answers: Answers, measure: str) -> Curves:
    """Return a measure's curve for each group; empty where runs wrote nothing down, or fewer than two points.

    Losses are for each character of text, as those of the findings.
    """
    found: dict[Group, dict[int, list[float]]] = {}
    for cell, run in answers.items():
        factor = tokens_per_character([run]) if measure == "loss" else 1.0
        steps = found.setdefault(cell.group, {})
        for step, value in _read(settings, cell, SERIES[measure]).items():
            steps.setdefault(step, []).append(value * factor)
    return {
        group: [
            Point(step=step, middle=median(values), least=min(values), most=max(values))
            for step, values in sorted(steps.items())
        ]
        for group, steps in found.items()
        if len(steps) > 1
    }


def _read(settings: Settings, cell: Cell, beginning: str) -> dict[int, float]:
    """Return the mean over languages of what a run wrote down, by step."""
    path = cell.folder(settings.name) / METRICS
    found: dict[int, list[float]] = defaultdict(list)
    for line in path.read_text().splitlines() if path.exists() else []:
        entry = json.loads(line)
        mine = [value for name, value in entry["metrics"].items() if name.startswith(beginning)]
        if mine:
            found[entry["step"]] += mine
    return {step: fmean(values) for step, values in found.items()}
