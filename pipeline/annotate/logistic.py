"""Logistic regression on named measurements, some of which are missing: fitted by Newton's method, kept as YAML.

A missing measurement counts as an average one: it moves the answer neither way. One beyond _FAR counts as that far:
what training hardly saw decides nothing alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

Values = NDArray[np.float64]

_STEPS = 30
_FAR = 3.0  # spreads from the mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Logistic:
    """What is averaged, scaled, weighted and added up; `about` says what it was fitted on and how well it does."""

    names: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    about: str

    def probability(self, rows_NF: Values) -> Values:
        """Return the probability for each row of measurements, in the order of `names`; NaN is missing."""
        scaled = _scaled(rows_NF, np.array(self.means), np.array(self.scales))
        return _sigmoid(scaled @ np.array(self.weights) + self.bias)

    def to_yaml(self) -> str:
        """Write it with four digits, one measurement a line."""
        lines = [f"# {line}" for line in self.about.splitlines()]
        lines += [f"bias: {self.bias:.4f}", "features:  # name: [mean, scale, weight]"]
        rows = zip(self.names, self.means, self.scales, self.weights, strict=True)
        lines += [f"  {name}: [{mean:.4f}, {scale:.4f}, {weight:.4f}]" for name, mean, scale, weight in rows]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_yaml(cls, source: str) -> Logistic:
        """Read what to_yaml wrote."""
        plain: Mapping[str, Any] = yaml.safe_load(source)
        features: Mapping[str, Sequence[float]] = plain["features"]
        means, scales, weights = zip(*features.values(), strict=True)
        about = "\n".join(line.removeprefix("# ") for line in source.splitlines() if line.startswith("#"))
        return cls(
            names=tuple(features), means=means, scales=scales, weights=weights, bias=float(plain["bias"]), about=about
        )


def fit(names: Sequence[str], rows_NF: Values, truth_N: Values, ridge: float, about: str) -> Logistic:
    """Fit weights that keep the ridge penalty's balance; truth is 0 or 1, both classes weighing the same."""
    means = np.nanmean(rows_NF, axis=0)
    scales = np.maximum(np.nanstd(rows_NF, axis=0), 1e-3)
    inputs = _scaled(rows_NF, means, scales)
    inputs = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
    share = truth_N.mean()
    balance_N = np.where(truth_N == 1, 0.5 / share, 0.5 / (1 - share))
    penalty = ridge * np.eye(inputs.shape[1])
    penalty[-1, -1] = 0.0
    weights = np.zeros(inputs.shape[1])
    for _ in range(_STEPS):
        given = _sigmoid(inputs @ weights)
        gradient = inputs.T @ (balance_N * (given - truth_N)) + penalty @ weights
        curvature = (inputs * (balance_N * given * (1 - given) + 1e-9)[:, None]).T @ inputs + penalty
        weights -= np.linalg.solve(curvature, gradient)
    return Logistic(
        names=tuple(names),
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        weights=tuple(weights[:-1].tolist()),
        bias=float(weights[-1]),
        about=about,
    )


def _scaled(rows_NF: Values, means_F: Values, scales_F: Values) -> Values:
    return np.clip(np.nan_to_num((rows_NF - means_F) / scales_F, nan=0.0), -_FAR, _FAR)


def _sigmoid(values: Values) -> Values:
    return 1 / (1 + np.exp(-np.clip(values, -40, 40)))
