"""AdamW and its schedule, as settings: what is learnt from a gradient, and how much of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from model.net import Recompute
from model.training.guard import GuardOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """AdamW and its schedule: linear warm-up to `learning_rate`, then linear to zero at `max_steps`.

    `ema_decay` above 0 keeps a moving average of the weights, which is then what is evaluated and exported.
    `recompute` is model/net.py's: what the backward pass computes again rather than keeps.
    The rest lets audio and text find each other where there is little data (model/alignment.py): `alignment_weight`
    times the byte head's loss, a flat start that gives way to CTC over `flat_start_steps`; `guide_weight` times the
    attention guide's; and a decoder that joins at step `decoder_start`, when the encoder already hears.
    """

    learning_rate: float
    warmup_steps: int
    max_steps: int
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    clip_norm: float
    stochastic_depth: float = 0.0
    ema_decay: float = 0.0
    recompute: Recompute = "nothing"
    guard: GuardOptions = field(default_factory=GuardOptions)
    alignment_weight: float = 0.0
    flat_start_steps: int = 0
    guide_weight: float = 0.0
    decoder_start: int = 0

    def flat_share(self, step: int) -> float:
        """Return how much of the alignment loss is flat start at a step."""
        return max(0.0, 1.0 - step / self.flat_start_steps) if self.flat_start_steps else 0.0

    def factor(self, step: int) -> float:
        """Return the learning rate of a step as a share of the highest."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        return max(0.0, (self.max_steps - step) / (self.max_steps - self.warmup_steps))

    def adamw(self, parameters: Iterable[nn.Parameter]) -> torch.optim.AdamW:
        """Build the optimiser of what is trained. Matrices decay; biases, norms and vectors are left alone."""
        trained = [weight for weight in parameters if weight.requires_grad]
        decayed = [weight for weight in trained if weight.ndim > 1]
        others = [weight for weight in trained if weight.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": self.weight_decay}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=self.learning_rate,
            betas=(self.beta1, self.beta2),
            eps=self.eps,
            fused=True,
        )

    def to_plain(self) -> dict[str, Any]:
        """Return the settings as what a checkpoint can hold."""
        return asdict(self)
