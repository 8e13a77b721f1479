"""What a model is measured by: loss by task and language, and error rates after a plain normalisation.

The normaliser is language-neutral, unlike Whisper's English one: published English numbers are not comparable.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import jiwer
import torch
from torch import Tensor

from model.tasks.registry import TASKS
from pipeline.languages import LANGUAGES

NORMALISER = "basic-nfkc"
_TASKS = tuple(TASKS)
_LANGS = (*LANGUAGES, "und")  # und: a window without speech has no language


def normalise(text: str) -> str:
    """Return lower-case NFKC text without punctuation and symbols, words apart by one space.

    Marks stay: dropping them, as Whisper's basic normaliser does, breaks words of Indic and other scripts.
    """
    folded = unicodedata.normalize("NFKC", text).lower()
    spaced = "".join(" " if unicodedata.category(char)[0] in "PS" else char for char in folded)
    return " ".join(spaced.split())


def error_rates(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, float]:
    """Return the word and character error rates over all utterances; those without reference words are left out."""
    pairs = [(normalise(ref), normalise(hyp)) for ref, hyp in zip(references, hypotheses, strict=True)]
    spoken = [pair for pair in pairs if pair[0]]
    if not spoken:
        return {}
    refs, hyps = [ref for ref, _ in spoken], [hyp for _, hyp in spoken]
    return {"wer": float(jiwer.wer(refs, hyps)), "cer": float(jiwer.cer(refs, hyps))}


def hallucination_rates(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, float]:
    """Return the words inserted per reference word, and the share of five-word sequences that were said before.

    Both are what Distil-Whisper (Gandhi et al. 2023, §6.3) counts; what was really repeated counts too.
    """
    pairs = [(normalise(ref), normalise(hyp)) for ref, hyp in zip(references, hypotheses, strict=True)]
    spoken = [pair for pair in pairs if pair[0]]
    if not spoken:
        return {}
    aligned = jiwer.process_words([ref for ref, _ in spoken], [hyp for _, hyp in spoken])
    grams = [
        tuple(words[place : place + 5])
        for words in (hyp.split() for _, hyp in spoken)
        for place in range(len(words) - 4)
    ]
    return {
        "inserted": aligned.insertions / sum(len(ref.split()) for ref, _ in spoken),
        "repeated": 1.0 - len(set(grams)) / len(grams) if grams else 0.0,
    }


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
