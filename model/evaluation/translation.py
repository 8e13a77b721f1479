"""Translations against one reference: BLEU and chrF as sacreBLEU counts them, on text as it is written."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from model.evaluation.bootstrap import Counts, Measure

if TYPE_CHECKING:
    from model.evaluation.metrics import Pair

SIGNATURES = {"bleu": "sacrebleu-13a", "chrf": "sacrebleu-chrf2"}


def translation_measures(pairs: Sequence[Pair]) -> list[Measure]:
    """Return BLEU and chrF (0 to 100) by what sacreBLEU counts in each sentence: n-grams matched, said and wanted."""
    references, hypotheses = [one.reference for one in pairs], [one.hypothesis for one in pairs]
    return [
        Measure(
            name=name,
            normaliser=normaliser,
            counts_UK=_counts(name, hypotheses, references),
            value=functools.partial(_value, name),
        )
        for name, normaliser in SIGNATURES.items()
    ]


def _counts(name: str, hypotheses: Sequence[str], references: Sequence[str]) -> Counts:
    # sacreBLEU has no public word for a sentence's counts; its version is pinned, and a test holds their sums to
    # its corpus scores.
    rows = _metric(name)._extract_corpus_statistics(list(hypotheses), [list(references)])  # pyright: ignore[reportPrivateUsage]
    return np.array(rows, dtype=np.float64)


def _value(name: str, sums_K: Counts) -> Counts:
    metric, flat_NK = _metric(name), sums_K.reshape(-1, sums_K.shape[-1]).astype(int).tolist()
    scores_N = [metric._compute_score_from_stats(row).score for row in flat_NK]  # pyright: ignore[reportPrivateUsage]
    return np.array(scores_N, dtype=np.float64).reshape(sums_K.shape[:-1])


@functools.cache
def _metric(name: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return {"bleu": BLEU, "chrf": CHRF}[name]()
