"""Tell languages by a linear model that the corpus trains itself, each recording by a model that never saw it.

The labels are the corpus's own claims, wrong ones among them: where the models of the other folds are sure of another
language than the claimed one, the claim is the suspect (confident learning). A voice that speaks one language only, in
recordings of several folds, is known by its voice: corpora of few speakers look better judged than they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.ids import number_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RIDGE = 0.1  # of the inputs' energy; 0.01 to 0.3 judge alike (2026-11, embedded corpus)
_SHARPNESS = np.geomspace(0.5, 64, 29)  # tried when scores are made probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossFit:
    """How many folds there are, which languages are told apart, and how many recordings of each train a model."""

    num_folds: int = 5
    min_recordings: int = 8  # of a language: fewer do not show what it sounds like
    max_recordings: int = 2000  # of a language: bounds memory and time


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The languages told apart, and for each recording their probabilities; a row of NaN where none was asked."""

    langs: tuple[str, ...]
    probs_NL: Floats


def cross_fit(ids: Sequence[str], stats_ND: Floats, claims: Sequence[str | None], options: CrossFit) -> Heard:
    """Judge each recording with statistics (not NaN) by a model of the other folds' claims."""
    has_stats = ~np.isnan(stats_ND[:, 0]) if len(ids) else np.zeros(0, dtype=bool)
    counts = Counter(claim for claim, is_there in zip(claims, has_stats, strict=True) if claim and is_there)
    langs = tuple(sorted(lang for lang, count in counts.items() if count >= options.min_recordings))
    scores = np.full((len(ids), len(langs)), np.nan)
    if len(langs) < 2:
        return Heard(langs=(), probs_NL=np.full((len(ids), 0), np.nan))
    label_N = np.array([langs.index(claim) if claim in langs else -1 for claim in claims])
    draws = [number_of(name) for name in ids]
    fold_N = np.array([draw % options.num_folds for draw in draws])
    trains_N = has_stats & (label_N >= 0) & _first_of_each(label_N, draws, options.max_recordings)
    for fold in range(options.num_folds):
        inside, outside = has_stats & (fold_N == fold), trains_N & (fold_N != fold)
        if inside.any() and outside.any():
            scores[inside] = _fit_and_score(stats_ND[outside], label_N[outside], stats_ND[inside], len(langs))
    return Heard(langs=langs, probs_NL=_probabilities(scores, label_N, trains_N))


def _fit_and_score(inputs_ND: Floats, label_N: Ints, asked_MD: Floats, num_langs: int) -> Floats:
    """Fit a ridge regression on one target a language, each language weighing the same, and score others."""
    mean, spread = inputs_ND.mean(axis=0), inputs_ND.std(axis=0) + 1e-6
    scaled = (inputs_ND - mean) / spread
    weight_N = 1 / np.maximum(1, np.bincount(label_N, minlength=num_langs))[label_N]
    targets = np.where(np.arange(num_langs) == label_N[:, None], 1.0, 0.0) - 1 / num_langs
    energy = (scaled * weight_N[:, None]).T @ scaled
    penalty = RIDGE * np.trace(energy) / len(energy) * len(energy) / max(1, len(inputs_ND))
    weights = np.linalg.solve(energy + penalty * np.eye(len(energy)), (scaled * weight_N[:, None]).T @ targets)
    return ((asked_MD - mean) / spread) @ weights


def _probabilities(scores_NL: Floats, label_N: Ints, trains_N: NDArray[np.bool_]) -> Floats:
    """Sharpen scores into probabilities so that the claims are as likely as they can be: wrong claims soften them."""
    known = trains_N & ~np.isnan(scores_NL[:, 0])
    if not known.any():
        return scores_NL
    best = max(_SHARPNESS, key=lambda sharpness: _likelihood(scores_NL[known] * sharpness, label_N[known]))
    return _softmax(scores_NL * best)


def _likelihood(logits_NL: Floats, label_N: Ints) -> float:
    chosen = _softmax(logits_NL)[np.arange(len(label_N)), label_N]
    return float(np.log(np.maximum(chosen, 1e-9)).mean())


def _softmax(logits_NL: Floats) -> Floats:
    powers = np.exp(logits_NL - logits_NL.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _first_of_each(label_N: Ints, draws: Sequence[int], number: int) -> NDArray[np.bool_]:
    """Mark at most so many recordings of each label, drawn by lot."""
    counts: Counter[int] = Counter()
    chosen = np.zeros(len(draws), dtype=bool)
    for at in sorted(range(len(draws)), key=draws.__getitem__):
        counts[int(label_N[at])] += 1
        chosen[at] = counts[int(label_N[at])] <= number
    return chosen
