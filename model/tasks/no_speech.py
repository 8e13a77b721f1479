"""No speech: a window in which nobody speaks ends right after saying so (Whisper §2.3)."""

from __future__ import annotations

from model.sample import Sample
from model.tasks.base import Encoded, Rng, TaskOptions
from model.tokenizer import Tokenizer


def eligible(sample: Sample) -> bool:
    """Tell whether the sample was decided to hold no speech."""
    return sample.kind == "no_speech" and "no_speech" in sample.tasks


def encode(sample: Sample, tokenizer: Tokenizer, options: TaskOptions, rng: Rng) -> Encoded:
    """Write sot, no_speech, eot; reads nothing of the sample and draws nothing from `rng`."""
    return Encoded(tokens=[tokenizer.sot, tokenizer.no_speech, tokenizer.eot], loss_mask=[False, True, True])
