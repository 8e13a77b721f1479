"""BLEU and chrF from counts that can be drawn again."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu

from model.evaluation.bootstrap import estimate
from model.evaluation.metrics import Pair
from model.evaluation.translation import translation_measures

SAID = ["The cat sat on the mat.", "It rains again today, they say.", "Nothing."]
HEARD = ["The cat sat on a mat.", "It rains today, they say.", "Nothing at all."]


def test_sums_of_counts_give_sacrebleus_corpus_scores() -> None:
    pairs = [Pair(reference=ref, hypothesis=hyp, lang="en") for ref, hyp in zip(SAID, HEARD, strict=True)]
    bleu, chrf = translation_measures(pairs)
    assert float(bleu.value(bleu.counts_UK.sum(axis=0))) == pytest.approx(sacrebleu.corpus_bleu(HEARD, [SAID]).score)
    assert float(chrf.value(chrf.counts_UK.sum(axis=0))) == pytest.approx(sacrebleu.corpus_chrf(HEARD, [SAID]).score)
    assert bleu.value(np.stack([bleu.counts_UK[:2].sum(axis=0)] * 3)).shape == (3,)
    found = estimate(bleu, ["a", "b", "c"], 50)
    assert found.low is not None and found.high is not None and found.low < found.value < found.high
