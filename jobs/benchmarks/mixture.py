"""How near every batch and every running total of a mixture is to its shares, for all presets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from jobs.command.config import instantiate
from model.data.mixture import Schedule, weights_by_step

PRESETS = Path(__file__).parents[2] / "conf" / "mixture"
# Samples of the notes' corpus (2. The Whisper Approach, Dataset Composition), taken for hours; all languages for one.
HOURS = {
    "transcribe-en": 500_000.0, "transcribe-es": 100_000.0, "transcribe-sw": 5_000.0, "transcribe-am": 5_000.0,
    "translate-es": 80_000.0, "translate-sw": 8_000.0, "translate-am": 7_000.0,
    "detect_language": 610_000.0, "no_speech": 10_000.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureBench:
    """Batches looked at, and their sizes."""

    batch_sizes: Sequence[int]
    num_batches: int


def bench_mixture(settings: MixtureBench) -> Iterator[str]:
    """Yield a Markdown table; errors are in examples, against the shares as they are kept, which are rounded."""
    yield f"| preset | batch | largest error of a batch | of {settings.num_batches:,} batches' total | rounding |"
    yield "| --- | --- | --- | --- | --- |"
    for path in sorted(PRESETS.glob("*.yaml")):
        preset = DictConfig(OmegaConf.load(path))
        if OmegaConf.missing_keys(preset):
            continue  # a table to be given
        weights = weights_by_step(instantiate(preset), HOURS)
        for batch_size in settings.batch_sizes:
            schedule = Schedule(weights, batch_size, seed=0)
            batch, total = errors(schedule, sorted(weights), settings.num_batches)
            rounding = max(
                abs(kept - weights[start].get(name, 0.0))
                for start in weights
                for name, kept in schedule.shares(start).items()
            )
            yield f"| {path.stem} | {batch_size} | {batch:.4f} | {total:.4f} | {rounding:.5f} |"


def errors(schedule: Schedule, phases: Sequence[int], num_batches: int) -> tuple[float, float]:
    """Return the largest distance of any stream from its share in a batch, and of what it gave from its due.

    The running error starts anew with each phase, as the timetable does.
    """
    starts = [start for start in phases if start < num_batches]
    most = np.zeros(2)
    for start, end in zip(starts, [*starts[1:], num_batches], strict=True):
        drawn = np.array([list(schedule.drawn(index).values()) for index in range(start, end + 1)])
        counts = np.diff(drawn, axis=0)
        per_batch = np.array(list(schedule.shares(start).values())) * schedule.batch_size
        due = per_batch * np.arange(1, len(counts) + 1)[:, None]
        most = np.maximum(most, [np.abs(counts - per_batch).max(), np.abs(drawn[1:] - drawn[0] - due).max()])
    return float(most[0]), float(most[1])
