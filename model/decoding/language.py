"""Which language is spoken, and whether anybody speaks, from the start token alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.decoding.engine import Engine
from model.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the model says right after the start token; `lang_probs` are given that it is one of them."""

    lang_probs: dict[str, float]
    no_speech_prob: float
    is_no_speech: bool  # no_speech is more probable than every language

    @property
    def lang(self) -> str:
        """The most probable language."""
        return max(self.lang_probs, key=self.lang_probs.__getitem__)


@torch.inference_mode()
def hear_start(engine: Engine, tokenizer: Tokenizer, audio: Sequence[Tensor]) -> list[Start]:
    """Ask encoded windows (audio_SD each) for their language."""
    logits_PV = engine.hear(audio, tokenizer.sot)
    spoken_PV = logits_PV[:, list(tokenizer.all_language_ids)]
    no_speech_P = logits_PV[:, tokenizer.no_speech]
    rows = zip(
        spoken_PV.softmax(dim=-1).tolist(),
        (no_speech_P - logits_PV.logsumexp(dim=-1)).exp().tolist(),
        (no_speech_P > spoken_PV.amax(dim=-1)).tolist(),
        strict=True,
    )
    return [
        Start(lang_probs=dict(zip(tokenizer.codes, probs, strict=True)), no_speech_prob=silence, is_no_speech=is_silent)
        for probs, silence, is_silent in rows
    ]


@torch.inference_mode()
def detect_language(engine: Engine, tokenizer: Tokenizer, mels: Sequence[Tensor]) -> list[Start]:
    """Ask windows (mel_FT each) for their language."""
    return hear_start(engine, tokenizer, engine.encode(mels))
