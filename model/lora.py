"""Low-rank adapters (Hu et al. 2021): train a narrow detour around frozen matrices, and fold it in at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import UserError

DOWN, UP, SCALE = "lora_down", "lora_up", "lora_scale"


class LoraLinear(nn.Linear):
    """A frozen linear layer and its detour; the detour starts at zero, and the scale lies among the weights."""

    lora_scale: Tensor

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        """Take over a layer's weights and freeze them."""
        bias = cast(nn.Parameter | None, linear.bias)  # torch's own type leaves the None out
        super().__init__(linear.in_features, linear.out_features, bias=bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        for frozen in (self.weight, *([] if bias is None else [bias])):
            frozen.requires_grad_(False)
        self.lora_down = nn.Parameter(torch.randn(rank, linear.in_features) * linear.in_features**-0.5)
        self.lora_up = nn.Parameter(torch.zeros(linear.out_features, rank))
        self.register_buffer(SCALE, torch.tensor(alpha / rank))

    def forward(self, input: Tensor) -> Tensor:
        """Return the layer's answer plus the detour's."""
        return super().forward(input) + self.lora_scale * F.linear(F.linear(input, self.lora_down), self.lora_up)


def add_lora(net: nn.Module, targets: Sequence[str], rank: int, alpha: float) -> int:
    """Put adapters on the linear layers whose names match a pattern, freeze all else; return how many there are."""
    chosen = [
        name
        for name, module in net.named_modules()
        if type(module) is nn.Linear and any(fnmatch(name, pattern) for pattern in targets)
    ]
    if not chosen:
        raise UserError(
            f"start.lora.targets {list(targets)} match no linear layer; expected names like "
            "decoder.blocks.0.cross_attn.query, with * for any; mend the patterns"
        )
    net.requires_grad_(False)
    for name in chosen:
        parent, _, own = name.rpartition(".")
        linear = net.get_submodule(name)
        assert isinstance(linear, nn.Linear)
        setattr(net.get_submodule(parent), own, LoraLinear(linear, rank, alpha))
    return len(chosen)


def merged(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights with every detour folded into its matrix: the keys of a network that never had any."""
    plain = {name: weight for name, weight in weights.items() if name.rpartition(".")[2] not in (DOWN, UP, SCALE)}
    for name, scale in weights.items():
        layer, _, own = name.rpartition(".")
        if own == SCALE:
            detour = weights[f"{layer}.{UP}"].float() @ weights[f"{layer}.{DOWN}"].float()
            plain[f"{layer}.weight"] = plain[f"{layer}.weight"] + scale * detour
    return plain
