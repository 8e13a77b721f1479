"""What a model is measured by: counts of errors for each utterance, and the loss by task and language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
import torch
from torch import Tensor

from model.evaluation.bootstrap import Counts, Measure, ratio
from model.evaluation.normalisers import BASIC, normalise
from model.tasks.registry import TASKS
from pipeline.languages import LANGUAGES

PHRASE_WORDS = 5  # Distil-Whisper's measure of repetition (Gandhi et al. 2023, §6.3)
_TASKS = tuple(TASKS)
_LANGS = (*LANGUAGES, "und")  # und: a window without speech has no language


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What is right and what the model said, in the language of the text."""

    reference: str
    hypothesis: str
    lang: str


def text_measures(pairs: Sequence[Pair], normaliser: str) -> list[Measure]:
    """Return the errors of words and characters, and what was invented, per utterance; no words, no errors.

    `wer`, `cer`: errors by words and characters of the reference. `inserted`: words inserted by words of the reference.
    `repeated`: share of five-word sequences that the utterance had said before; what was really repeated counts too.
    `hallucinated`: share of utterances with five inserted words in a row.
    """
    said = [(normalise(normaliser, one.reference, one.lang), one) for one in pairs]
    written = [normalise(normaliser, one.hypothesis, one.lang) if ref else "" for ref, one in said]
    references = [ref for ref, _ in said]
    words_U4 = _word_counts(references, written)
    chars = jiwer.process_characters(references, written) if references else None
    chars_U2 = np.array([_errors(chunks) for chunks in chars.alignments] if chars else [], float).reshape(-1, 1)
    sizes_U1 = np.array([len(ref) for ref in references], float).reshape(-1, 1)
    repeats_U2 = np.array([_repeats(text.split()) for text in written], float).reshape(-1, 2)
    spoken_U1 = (words_U4[:, 1:2] > 0).astype(float)
    tables = {
        "wer": words_U4[:, :2],
        "cer": np.hstack([chars_U2, sizes_U1]),
        "inserted": words_U4[:, [2, 1]],
        "repeated": repeats_U2,
        "hallucinated": np.hstack([words_U4[:, 3:4], spoken_U1]),
    }
    return [
        Measure(name=name, normaliser=normaliser, counts_UK=counts_U2, value=ratio)
        for name, counts_U2 in tables.items()
    ]


def error_rates(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, float]:
    """Return the word and character error rates over all utterances; those without reference words are left out."""
    return _rates(references, hypotheses, ("wer", "cer"))


def hallucination_rates(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, float]:
    """Return the words inserted per reference word, and the share of five-word sequences that were said before."""
    return _rates(references, hypotheses, ("inserted", "repeated"))


class LossTable:
    """Sums of token losses and tokens by task and language, kept on the device: adding does not wait for it."""

    def __init__(self, device: torch.device) -> None:
        """Start at zero."""
        self.sums_TG2 = torch.zeros(len(_TASKS), len(_LANGS), 2, device=device, dtype=torch.float64)

    def add(self, tasks: Sequence[str], langs: Sequence[str], nll_B: Tensor, tokens_B: Tensor) -> None:
        """Add each row's summed loss and its number of tokens."""
        cells = [_TASKS.index(task) * len(_LANGS) + _LANGS.index(lang) for task, lang in zip(tasks, langs, strict=True)]
        rows_B2 = torch.stack([nll_B.detach(), tokens_B], dim=1).double()
        where_B = torch.tensor(cells, device=rows_B2.device)
        self.sums_TG2.view(-1, 2).index_add_(0, where_B, rows_B2)

    def means(self) -> dict[str, float]:
        """Return the loss per token of each task and language seen ("translate-sw"), and of all ("all")."""
        sums_TG2 = self.sums_TG2.cpu()
        found = {
            f"{task}-{lang}": float(sums_TG2[row, column, 0] / sums_TG2[row, column, 1])
            for row, task in enumerate(_TASKS)
            for column, lang in enumerate(_LANGS)
            if sums_TG2[row, column, 1] > 0
        }
        total = sums_TG2.sum(dim=(0, 1))
        return {"all": float(total[0] / total[1])} | found if found else {}


def _rates(references: Sequence[str], hypotheses: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    texts = zip(references, hypotheses, strict=True)
    pairs = [Pair(reference=ref, hypothesis=hyp, lang="und") for ref, hyp in texts]
    sums = {one.name: one.counts_UK.sum(axis=0) for one in text_measures(pairs, BASIC)}
    if not sums["wer"][1]:
        return {}
    return {name: float(np.nan_to_num(ratio(sums[name]))) for name in names}


def _word_counts(references: Sequence[str], hypotheses: Sequence[str]) -> Counts:
    """Return for each utterance: errors, words of the reference, inserted words, five of them in a row."""
    if not references:
        return np.zeros((0, 4))
    aligned = jiwer.process_words(list(references), list(hypotheses))
    rows = [
        (
            _errors(chunks),
            len(ref.split()),
            sum(_inserted(chunks)),
            float(any(run >= PHRASE_WORDS for run in _inserted(chunks))),
        )
        for ref, chunks in zip(references, aligned.alignments, strict=True)
    ]
    return np.array(rows, dtype=np.float64)


def _errors(chunks: Sequence[jiwer.AlignmentChunk]) -> int:
    """Count what must be changed."""
    wrong = (one for one in chunks if one.type != "equal")
    return sum(max(one.ref_end_idx - one.ref_start_idx, one.hyp_end_idx - one.hyp_start_idx) for one in wrong)


def _inserted(chunks: Sequence[jiwer.AlignmentChunk]) -> list[int]:
    return [one.hyp_end_idx - one.hyp_start_idx for one in chunks if one.type == "insert"]


def _repeats(words: Sequence[str]) -> tuple[int, int]:
    grams = [tuple(words[place : place + PHRASE_WORDS]) for place in range(len(words) - PHRASE_WORDS + 1)]
    return len(grams) - len(set(grams)), len(grams)
