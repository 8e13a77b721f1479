"""Detect language: from the start token alone to the language token.

The notes' form goes on with the text, and no task token stands between: "Output: Language Token + Text"
(whisper_notes §2.4). Whisper's own form ends at the language token, since only a task may follow it there.
"""

from __future__ import annotations

from model.sample import Sample
from model.tasks.base import Encoded, Rng, TaskOptions, check_length, has_task, writer
from model.tokenizer import Tokenizer


def eligible(sample: Sample) -> bool:
    """Tell whether the spoken language was decided to be known, with text in that language."""
    return has_task(sample, "detect_language", kind="transcribe")


def encode(sample: Sample, tokenizer: Tokenizer, options: TaskOptions, rng: Rng) -> Encoded:
    """Write sot, language and, in the notes' form, text and eot; draws from `rng` only for BPE dropout."""
    tokens = [tokenizer.sot, tokenizer.language_id(sample.lang)]
    if options.language_id_with_text:
        tokens += [*writer(sample, tokenizer, options, rng)(sample.text), tokenizer.eot]
    check_length(tokens, sample, options)
    return Encoded(tokens=tokens, loss_mask=[False] + [True] * (len(tokens) - 1))
