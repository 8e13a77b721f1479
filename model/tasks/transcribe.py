"""Transcribe: speech to text in the language spoken."""

from __future__ import annotations

from model.sample import Sample
from model.tasks.base import Encoded, Rng, TaskOptions, encode_speech, has_task
from model.tokenizer import Tokenizer


def eligible(sample: Sample) -> bool:
    """Tell whether the sample was decided to hold the words spoken."""
    return has_task(sample, "transcribe", kind="transcribe")


def encode(sample: Sample, tokenizer: Tokenizer, options: TaskOptions, rng: Rng) -> Encoded:
    """Write [previous text] sot, language, transcribe, text or timed text, eot."""
    return encode_speech("transcribe", sample, tokenizer, options, rng)
