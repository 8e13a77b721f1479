"""Translate: speech in any other language to English text."""

from __future__ import annotations

from model.sample import Sample
from model.tasks.base import Encoded, Rng, TaskOptions, encode_speech, has_task
from model.tokenizer import Tokenizer


def eligible(sample: Sample) -> bool:
    """Tell whether the sample was decided to hold an English translation."""
    return has_task(sample, "translate", kind="translate")


def encode(sample: Sample, tokenizer: Tokenizer, options: TaskOptions, rng: Rng) -> Encoded:
    """Write [previous text] sot, language, translate, text or timed text, eot."""
    return encode_speech("translate", sample, tokenizer, options, rng)
