"""Examples as tensors, padded to the longest of their batch.

Tensor suffixes: B rows, N samples, L tokens, M masks, S audio positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.alignment import IGNORED
from model.tasks.base import Encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One window ready for training: its audio, its tokens, and how much its loss counts.

    `inputs` is what the decoder is given, `encoded` what it should say; they differ under token noise.
    `spoken`, `flat_targets` and `spans` are for model/alignment.py; no bytes where the text is not what is said.
    """

    segment_id: str
    audio: NDArray[np.float32]
    encoded: Encoded
    inputs: list[int]
    text: str
    task: str
    lang: str
    is_synthetic: bool
    weight: float
    freq_masks: NDArray[np.int64]
    time_masks: NDArray[np.int64]
    spoken: bytes
    flat_targets: NDArray[np.int64]
    spans: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the network is given in one step; `num_skipped` windows could not serve and were passed over."""

    audio_BN: Tensor
    num_samples_B: Tensor
    inputs_BL: Tensor
    tokens_BL: Tensor
    loss_mask_BL: Tensor
    weights_B: Tensor
    freq_masks_BM2: Tensor
    time_masks_BM2: Tensor
    flat_targets_BS: Tensor
    spans_BL2: Tensor
    segment_ids: tuple[str, ...]
    spoken: tuple[bytes, ...]
    texts: tuple[str, ...]
    tasks: tuple[str, ...]
    langs: tuple[str, ...]
    are_synthetic: tuple[bool, ...]
    num_skipped: int = 0

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Return the batch with its tensors on a device."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Return the batch in memory that a GPU copies from by itself; a DataLoader that pins calls this."""
        return self._with(Tensor.pin_memory)

    def _with(self, change: Callable[[Tensor], Tensor]) -> Batch:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(self, **{name: change(value) for name, value in values.items() if isinstance(value, Tensor)})


def collate(examples: Sequence[Example], pad_token: int, num_skipped: int = 0) -> Batch:
    """Pad examples to the longest audio and the longest text among them."""
    num_samples = [len(example.audio) for example in examples]
    num_tokens = [len(example.encoded.tokens) for example in examples]
    audio_BN = np.empty((len(examples), max(num_samples)), dtype=np.float32)
    tokens_BL = np.full((len(examples), max(num_tokens)), pad_token)
    inputs_BL = tokens_BL.copy()
    loss_mask_BL = np.zeros(tokens_BL.shape, dtype=np.bool_)
    spans_BL2 = np.zeros((*tokens_BL.shape, 2), dtype=np.int64)
    targets_BS = np.full((len(examples), max(len(example.flat_targets) for example in examples)), IGNORED)
    for row, example in enumerate(examples):
        audio_BN[row, : num_samples[row]] = example.audio
        audio_BN[row, num_samples[row] :] = 0.0
        tokens_BL[row, : num_tokens[row]] = example.encoded.tokens
        inputs_BL[row, : num_tokens[row]] = example.inputs
        loss_mask_BL[row, : num_tokens[row]] = example.encoded.loss_mask
        if example.spoken:
            targets_BS[row, : len(example.flat_targets)] = example.flat_targets
            spans_BL2[row, : num_tokens[row]] = example.spans
    return Batch(
        audio_BN=torch.from_numpy(audio_BN),
        num_samples_B=torch.tensor(num_samples),
        inputs_BL=torch.from_numpy(inputs_BL),
        tokens_BL=torch.from_numpy(tokens_BL),
        loss_mask_BL=torch.from_numpy(loss_mask_BL),
        weights_B=torch.tensor([example.weight for example in examples]),
        freq_masks_BM2=torch.from_numpy(np.stack([example.freq_masks for example in examples])),
        time_masks_BM2=torch.from_numpy(np.stack([example.time_masks for example in examples])),
        flat_targets_BS=torch.from_numpy(targets_BS),
        spans_BL2=torch.from_numpy(spans_BL2),
        segment_ids=tuple(example.segment_id for example in examples),
        spoken=tuple(example.spoken for example in examples),
        texts=tuple(example.text for example in examples),
        tasks=tuple(example.task for example in examples),
        langs=tuple(example.lang for example in examples),
        are_synthetic=tuple(example.is_synthetic for example in examples),
        num_skipped=num_skipped,
    )


def made_up(audio_BN: Tensor, num_samples_B: Tensor, tokens_BL: Tensor, flat_targets_BS: Tensor) -> Batch:
    """Return a batch in which every token counts and no window has an origin, for estimates and benchmarks."""
    rows, width = tokens_BL.shape
    no_masks = torch.zeros(rows, 0, 2, dtype=torch.long)
    return Batch(
        audio_BN=audio_BN,
        num_samples_B=num_samples_B,
        inputs_BL=tokens_BL.clone(),
        tokens_BL=tokens_BL,
        loss_mask_BL=torch.ones(rows, width, dtype=torch.bool),
        weights_B=torch.ones(rows),
        freq_masks_BM2=no_masks,
        time_masks_BM2=no_masks,
        flat_targets_BS=flat_targets_BS,
        spans_BL2=torch.zeros(rows, width, 2, dtype=torch.long),
        segment_ids=("",) * rows,
        spoken=(b"",) * rows,
        texts=("",) * rows,
        tasks=("transcribe",) * rows,
        langs=("en",) * rows,
        are_synthetic=(False,) * rows,
    )
