"""How many floating-point operations training takes on windows of given lengths; padding counts for nothing.

A product of m x k and k x n matrices is 2mkn, and its backward pass twice that. Norms, activations and the log-mel
spectrogram (under 1 % together) are left out, as is usual where a share of the peak (MFU) is given.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.net import ModelDimensions

BACKWARD_AND_FORWARD = 3


def batch_flops(dims: ModelDimensions, frames: Sequence[int], tokens: Sequence[int]) -> float:
    """Return the operations of a step, forward and backward, on windows of these mel frames and decoder tokens."""
    per_window = (
        _encoder(dims, num_frames) + _decoder(dims, (num_frames + 1) // 2, num_tokens)
        for num_frames, num_tokens in zip(frames, tokens, strict=True)
    )
    nobody_learns_from = 2 * 3 * dims.n_audio_state * dims.n_mels * sum(frames)  # the spectrogram has no gradient
    return BACKWARD_AND_FORWARD * sum(per_window) - nobody_learns_from


def _encoder(dims: ModelDimensions, num_frames: int) -> float:
    width, positions = dims.n_audio_state, (num_frames + 1) // 2
    convolutions = 2 * 3 * width * (num_frames * dims.n_mels + positions * width)
    return convolutions + dims.n_audio_layer * _layer(width, positions, positions, causal=False)


def _decoder(dims: ModelDimensions, positions: int, tokens: int) -> float:
    width = dims.n_text_state
    cross = 2 * width * width * (2 * tokens + 2 * positions) + 2 * 2 * tokens * positions * width
    head = 2 * tokens * width * dims.n_vocab
    return dims.n_text_layer * (_layer(width, tokens, tokens, causal=True) + cross) + head


def _layer(width: int, queries: int, keys: int, causal: bool) -> float:
    """Return the operations of self-attention (four projections, two products) and of the MLP (two of 4 x width)."""
    products = 2 * 2 * queries * keys * width / (2 if causal else 1)
    return 2 * queries * width * width * (4 + 8) + products
