"""How far a number would move on other recordings: bootstrap over recordings, paired between two models.

Windows of a recording share a speaker and a room, so whole recordings are drawn again (Bisani and Ney 2004; Liu et al.
2020, blockwise). Every measure is a function of sums of counts, so a draw costs one matrix product.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measurement as its counts for each utterance, counts_UK, and the value of their sums (…K to …)."""

    name: str
    normaliser: str
    counts_UK: Counts
    value: Callable[[Counts], Counts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval; None for an interval that one recording cannot give."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much a second model's value differs from a first one's; `p_value` that it is chance, two-sided."""

    value: float
    low: float | None
    high: float | None
    p_value: float | None


def ratio(sums_K: Counts) -> Counts:
    """Return the first count by the second; NaN where there is none to divide by."""
    above, below = sums_K[..., 0], sums_K[..., 1]
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)


def estimate(measure: Measure, groups: Sequence[str], resamples: int) -> Estimate:
    """Return a measure's value and interval; `groups` names each utterance's recording."""
    value = float(measure.value(measure.counts_UK.sum(axis=0)))
    draws_R = _draws(measure, groups, resamples)
    if draws_R is None:
        return Estimate(value=value, low=None, high=None)
    low, high = np.nanquantile(draws_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=value, low=float(low), high=float(high))


def difference(first: Measure, second: Measure, groups: Sequence[str], resamples: int) -> Difference:
    """Compare two models on the same utterances: each draw takes the same recordings for both."""
    value = float(second.value(second.counts_UK.sum(axis=0)) - first.value(first.counts_UK.sum(axis=0)))
    firsts_R, seconds_R = _draws(first, groups, resamples), _draws(second, groups, resamples)
    if firsts_R is None or seconds_R is None:
        return Difference(value=value, low=None, high=None, p_value=None)
    moved_R = seconds_R - firsts_R
    moved_R = moved_R[np.isfinite(moved_R)]
    low, high = np.quantile(moved_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    beyond = min(float((moved_R <= 0).mean()), float((moved_R >= 0).mean()))
    p_value = min(1.0, max(2 * beyond, 1 / len(moved_R)))
    return Difference(value=value, low=float(low), high=float(high), p_value=p_value)


def _draws(measure: Measure, groups: Sequence[str], resamples: int) -> Counts | None:
    """Return the values of resampled recordings; None where there is one recording or nothing to measure."""
    names, group_U = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2 or resamples < 1:
        return None
    sums_GK = np.zeros((len(names), measure.counts_UK.shape[1]))
    np.add.at(sums_GK, group_U, measure.counts_UK)
    # Seeded by the recordings: two models are given the same draws, and so is tomorrow's run.
    seed = int.from_bytes(hashlib.sha256("\n".join(names.tolist()).encode()).digest()[:8], "big")
    weights_RG = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    draws_R = measure.value(weights_RG.astype(np.float64) @ sums_GK)
    return draws_R if np.isfinite(draws_R).any() else None
