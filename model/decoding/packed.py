"""A network packed for a CPU: weights in the layout of oneDNN's kernels, in float32 or int8 by output channel.

By measurement (one core of an EPYC with AVX-512, torch 2.13, 2026-11): 8 rows against the vocabulary of 51,865 took
11.0 ms as torch.nn.functional.linear, 3.5 ms packed, 1.2 ms in int8; 500 rows through a layer of 384 x 1536 5.5, 2.4
and 0.9 ms; the self-attention of 500 positions, 6 heads, 4.5 ms as scaled_dot_product_attention, 2.9 ms here. int8
rounds activations as they come (dynamic quantisation); the relative error of a product is 1 %.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.net import AudioEncoder, MultiHeadAttention, ResidualAttentionBlock
from pipeline.errors import UserError

LEVELS = 127


class PackedLinear(nn.Module):
    """A linear layer in oneDNN's layout; inference only, float32 on a CPU."""

    def __init__(self, weight_ND: Tensor, bias_N: Tensor | None) -> None:
        """Copy the weights into their layout."""
        super().__init__()
        with torch.inference_mode():
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight_ND.detach(), None)
        self._bias_N = None if bias_N is None else bias_N.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        return _multiply(x, self._packed, self._bias_N)


class Int8Linear(nn.Module):
    """A linear layer with int8 weights; inference only, on a CPU."""

    def __init__(self, weight_ND: Tensor, bias_N: Tensor | None) -> None:
        """Round and pack the weights; UserError away from an x86 CPU.

        Without VNNI it is FBGEMM that multiplies: with AVX2 it was 3.6 times as fast as oneDNN (2026-11).
        """
        super().__init__()
        engines = torch.backends.quantized.supported_engines
        if weight_ND.device.type != "cpu" or "fbgemm" not in engines:
            raise UserError(
                f"int8 on {weight_ND.device} is not supported; expected an x86 CPU; set int8=false or device=cpu"
            )
        self._has_vnni = bool(torch.cpu.get_capabilities().get("avx512_vnni")) and "onednn" in engines
        chosen = torch.backends.quantized.engine
        torch.backends.quantized.engine = "onednn" if self._has_vnni else "fbgemm"
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch 2.13 announces another home for these tensors, not yet there
            weight_ND = weight_ND.detach().float()
            scale_N = weight_ND.abs().amax(dim=1).clamp(min=1e-12) / LEVELS
            zeros_N = torch.zeros(len(scale_N), dtype=torch.long)
            quantized_ND = torch.quantize_per_channel(weight_ND, scale_N.double(), zeros_N, 0, torch.qint8)
            self._packed = torch.ops.quantized.linear_prepack(quantized_ND, None if bias_N is None else bias_N.detach())
        torch.backends.quantized.engine = chosen

    def forward(self, x: Tensor) -> Tensor:
        """Multiply; `reduce_range` keeps AVX2's 16-bit sums from overflowing."""
        return torch.ops.quantized.linear_dynamic(x, self._packed, reduce_range=not self._has_vnni)


class PackedEncoder:
    """Whisper's encoder for one window of any length."""

    def __init__(self, encoder: AudioEncoder, int8: bool) -> None:
        """Pack the layers; the network is not changed, and its convolutions stay in float32."""
        self._conv1, self._conv2 = encoder.conv1, encoder.conv2
        self._places = encoder.positional_embedding
        self._layers = [_EncoderLayer.of(cast(ResidualAttentionBlock, block), int8) for block in encoder.blocks]
        self._ln_post = encoder.ln_post

    def __call__(self, mel_FT: Tensor) -> Tensor:
        """Encode mel_FT to audio_SD."""
        x_SD = F.gelu(self._conv2(F.gelu(self._conv1(mel_FT[None]))))[0].T
        x_SD = x_SD + self._places[: len(x_SD)]
        for layer in self._layers:
            x_SD = layer(x_SD)
        return self._ln_post(x_SD)


@dataclass(frozen=True, slots=True)
class _EncoderLayer:
    num_heads: int
    dtype: torch.dtype
    attn_ln: nn.Module
    query_key_value: nn.Module
    out: nn.Module
    mlp_ln: nn.Module
    mlp: Sequence[nn.Module]

    @classmethod
    def of(cls, block: ResidualAttentionBlock, int8: bool) -> _EncoderLayer:
        attn, mlp_in, mlp_out = block.attn, cast(nn.Linear, block.mlp[0]), cast(nn.Linear, block.mlp[2])
        return cls(
            num_heads=attn.n_head,
            dtype=torch.bfloat16 if int8 and torch.cpu.get_capabilities().get("avx512_bf16") else torch.float32,
            attn_ln=block.attn_ln,
            query_key_value=linear(fused(scaled_query(attn), attn.key, attn.value), int8),
            out=linear(fused(attn.out), int8),
            mlp_ln=block.mlp_ln,
            mlp=(linear(fused(mlp_in), int8), linear(fused(mlp_out), int8)),
        )

    def __call__(self, x_SD: Tensor) -> Tensor:
        x_SD = x_SD + self.out(self._attend(self.query_key_value(self.attn_ln(x_SD))))
        mlp_in, mlp_out = self.mlp
        return x_SD + mlp_out(F.gelu(mlp_in(self.mlp_ln(x_SD))))

    def _attend(self, joined_SD: Tensor) -> Tensor:
        """Attend head by head: a head's scores stay in cache."""
        parts_3HSK = joined_SD.to(self.dtype).unflatten(-1, (3, self.num_heads, -1)).permute(1, 2, 0, 3).contiguous()
        heads: list[Tensor] = []
        for query_SK, key_SK, value_SK in zip(*parts_3HSK, strict=True):
            weights_SS = _multiply(query_SK, key_SK, None).softmax(dim=-1)
            heads.append(_multiply(weights_SS, value_SK.T.contiguous(), None))
        return torch.cat(heads, dim=-1).to(joined_SD.dtype)


def linear(layer: tuple[Tensor, Tensor | None], int8: bool) -> nn.Module:
    """Return a layer of this weight and bias, packed where a CPU can."""
    weight_ND, bias_N = layer
    if int8:
        return Int8Linear(weight_ND, bias_N)
    return PackedLinear(weight_ND, bias_N) if can_pack(weight_ND) else _PlainLinear(weight_ND, bias_N)


def can_pack(weight: Tensor) -> bool:
    """Tell whether oneDNN multiplies weights like this one."""
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and torch.backends.mkldnn.is_available()


def fused(*layers: nn.Linear | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Join projections of one input; a missing bias is zero."""
    pairs = [(one.weight, cast(Tensor | None, one.bias)) if isinstance(one, nn.Linear) else one for one in layers]
    biases = [weight.new_zeros(len(weight)) if bias is None else bias.detach() for weight, bias in pairs]
    return torch.cat([weight.detach() for weight, _ in pairs]), torch.cat(biases)


def scaled_query(attention: MultiHeadAttention) -> tuple[Tensor, Tensor]:
    """Fold the scale of dot products into the queries; for Whisper's heads of 64 it is 1/8, which is exact."""
    scale = (attention.query.weight.shape[0] // attention.n_head) ** -0.5
    return attention.query.weight * scale, attention.query.bias * scale


def _multiply(x: Tensor, weight_ND: Tensor, bias_N: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight_ND, bias_N, "none", [], "")


class _PlainLinear(nn.Module):
    def __init__(self, weight_ND: Tensor, bias_N: Tensor | None) -> None:
        super().__init__()
        self._weight_ND, self._bias_N = weight_ND.detach(), None if bias_N is None else bias_N.detach()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self._weight_ND, self._bias_N)
