"""The loss of tokens over a large vocabulary, some tokens at a time, so that logits never exist for all of them.

51,865 logits of every token of a batch take more memory than the network. Here each piece's gradients are computed
as soon as its logits are there, and kept instead of them: the same three products as usual, no second pass.
(The idea is Liger Kernel's, Hsu et al. 2024, without its kernels.)

Tensor suffixes: N tokens, D width, V vocabulary.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx

CPU_TOKENS, GPU_TOKENS = 256, 2048  # at a time; a GPU's piece is 400 MB of logits with OpenAI's vocabulary


def token_loss(hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, weights_N: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of token losses times weights, which has a gradient, and each token's loss, which has none."""
    needs_grad = torch.is_grad_enabled() and (hidden_ND.requires_grad or head_VD.requires_grad)
    found = _Pieces.apply(hidden_ND, head_VD, targets_N, weights_N, needs_grad)
    return cast(tuple[Tensor, Tensor], found)


class _Pieces(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, weights_N: Tensor, needs_grad: bool
    ) -> tuple[Tensor, Tensor]:
        size = GPU_TOKENS if hidden_ND.is_cuda else CPU_TOKENS
        nll_N = hidden_ND.new_zeros(hidden_ND.shape[0], dtype=torch.float32)
        grad_ND = torch.zeros_like(hidden_ND) if needs_grad else None
        grad_VD = torch.zeros_like(head_VD, dtype=torch.float32) if needs_grad else None
        for start in range(0, hidden_ND.shape[0], size):
            piece = slice(start, start + size)
            logits = F.linear(hidden_ND[piece], head_VD).float()
            log_probs = logits - logits.logsumexp(dim=1, keepdim=True)
            nll_N[piece] = -log_probs.gather(1, targets_N[piece, None])[:, 0]
            if grad_ND is None or grad_VD is None:
                continue
            grad = log_probs.exp_()
            grad.scatter_add_(1, targets_N[piece, None], -torch.ones_like(grad[:, :1]))
            grad.mul_(weights_N[piece, None])
            grad_ND[piece] = torch.mm(grad, head_VD).to(grad_ND.dtype)
            grad_VD.add_(torch.mm(grad.t(), hidden_ND[piece]))
        saved = () if grad_ND is None or grad_VD is None else (grad_ND, grad_VD)
        ctx.save_for_backward(*saved)
        ctx.mark_non_differentiable(nll_N)
        return (nll_N * weights_N).sum(), nll_N

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad_ND, grad_VD = ctx.saved_tensors
        return grad_ND * grads[0], grad_VD * grads[0], None, None, None
