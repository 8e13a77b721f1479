"""Weights and inputs that are sines: the same on every machine, and in every library, without a file."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from model.net import ModelDimensions

TINY = dict(
    n_mels=80, n_audio_ctx=1500, n_audio_state=384, n_audio_head=6, n_audio_layer=4,
    n_vocab=51865, n_text_ctx=448, n_text_state=384, n_text_head=6, n_text_layer=4,
)  # fmt: skip
# Tiny as it is, and the layout of v3 (128 mels, 100 languages) with fewer layers.
DIMS = {
    "tiny": ModelDimensions(**TINY),
    "tiny-v3": ModelDimensions(**TINY | {"n_mels": 128, "n_vocab": 51866, "n_audio_layer": 2, "n_text_layer": 2}),
}
PLACES = ((0, 0, 0), (0, 2, 17), (0, 4, 50257), (1, 1, 50363), (1, 4, 51864))


def weights_of(shapes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a sine for every weight, scaled by its width; norms stay near one and sinusoids as they are."""
    weights: dict[str, Tensor] = {}
    for index, (name, weight) in enumerate(sorted(shapes.items())):
        if name == "encoder.positional_embedding":
            weights[name] = weight
            continue
        phase = torch.arange(weight.numel(), dtype=torch.float64) * (0.7 + index / 97) + index
        wave = phase.sin().reshape(weight.shape)
        if weight.ndim == 1:
            wave = 0.1 * wave + (1.0 if "ln" in name and name.endswith("weight") else 0.0)
        else:
            wave = wave * weight[0].numel() ** -0.5
        weights[name] = wave.float()
    return weights


def mel_of(dims: ModelDimensions) -> Tensor:
    """Return two windows of 30 s."""
    size = 2 * dims.n_mels * 3000
    return (torch.arange(size, dtype=torch.float64) * 0.37).sin().reshape(2, dims.n_mels, 3000).float()


def tokens_of(dims: ModelDimensions) -> Tensor:
    """Return five tokens for each window."""
    return torch.tensor([[50258, 50259, 50359, 11, 1002], [50258, 50334, 50358, 7, dims.n_vocab - 1]])
