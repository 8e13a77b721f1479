"""Whisper's encoder-decoder Transformer (Radford et al. 2022, §2.2) under OpenAI's own state-dict keys.

Beyond the original it takes windows shorter than 30 s without padding them to 30 s, and drops residual
branches at random in training (stochastic depth, as large-v2 did). It does not compute features
(model/mel.py) nor choose tokens (model/decoding/, which keeps keys and values from step to step).

Tensor suffixes: B rows, F mel bins, T mel frames (10 ms), S audio positions (20 ms), L text tokens,
D width, H heads, K width of a head, V vocabulary.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from pipeline.errors import UserError, unknown_name

Recompute = Literal["nothing", "cheap", "layers"]
RECOMPUTE: tuple[Recompute, ...] = ("nothing", "cheap", "layers")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDimensions:
    """Hold the sizes of a Whisper model under OpenAI's names, in OpenAI's order."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    def __post_init__(self) -> None:
        if self.n_audio_state != self.n_text_state:
            raise UserError(
                f"n_text_state {self.n_text_state} differs from n_audio_state {self.n_audio_state}; "
                "cross-attention needs one width; set both to the same number"
            )
        for name, state, head in (
            ("n_audio_head", self.n_audio_state, self.n_audio_head),
            ("n_text_head", self.n_text_state, self.n_text_head),
        ):
            if state % head or state % 2:
                raise UserError(
                    f"{name} {head} does not fit width {state}; "
                    "the width must be even and a multiple of the heads; change one of the two"
                )


class MultiHeadAttention(nn.Module):
    """Attend with scaled dot products (Vaswani et al. 2017, §3.2.2); keys have no bias, as at OpenAI."""

    def __init__(self, n_state: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.query = nn.Linear(n_state, n_state)
        self.key = nn.Linear(n_state, n_state, bias=False)
        self.value = nn.Linear(n_state, n_state)
        self.out = nn.Linear(n_state, n_state)

    def forward(self, x_BLD: Tensor, to_BSD: Tensor, mask: Tensor | None, is_causal: bool = False) -> Tensor:
        """Attend from x to another sequence, or to itself; `mask` is True where attention is allowed."""
        q_BHLK, k_BHSK, v_BHSK = map(self._heads, (self.query(x_BLD), self.key(to_BSD), self.value(to_BSD)))
        y_BHLK = F.scaled_dot_product_attention(q_BHLK, k_BHSK, v_BHSK, attn_mask=mask, is_causal=is_causal)
        return self.out(y_BHLK.transpose(1, 2).flatten(2))

    def _heads(self, x_BLD: Tensor) -> Tensor:
        return x_BLD.unflatten(-1, (self.n_head, -1)).transpose(1, 2)


class ResidualAttentionBlock(nn.Module):
    """One pre-norm Transformer layer; with `cross_attention` it is a decoder layer."""

    def __init__(self, n_state: int, n_head: int, drop_prob: float, cross_attention: bool = False) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.attn = MultiHeadAttention(n_state, n_head)
        self.attn_ln = nn.LayerNorm(n_state)
        self.cross_attn = MultiHeadAttention(n_state, n_head) if cross_attention else None
        self.cross_attn_ln = nn.LayerNorm(n_state) if cross_attention else None
        self.mlp = nn.Sequential(nn.Linear(n_state, 4 * n_state), nn.GELU(), nn.Linear(4 * n_state, n_state))
        self.mlp_ln = nn.LayerNorm(n_state)

    def forward(
        self,
        x_BLD: Tensor,
        mask: Tensor | None = None,
        audio_BSD: Tensor | None = None,
        audio_mask: Tensor | None = None,
    ) -> Tensor:
        """Run the layer; masks are True where attention may go, and a decoder layer is causal."""
        h_BLD = self.attn_ln(x_BLD)
        x_BLD = x_BLD + self._drop(self.attn(h_BLD, h_BLD, mask, is_causal=self.cross_attn is not None))
        if self.cross_attn is not None and self.cross_attn_ln is not None and audio_BSD is not None:
            x_BLD = x_BLD + self._drop(self.cross_attn(self.cross_attn_ln(x_BLD), audio_BSD, audio_mask))
        return x_BLD + self._drop(self.mlp(self.mlp_ln(x_BLD)))

    def _drop(self, branch_BLD: Tensor) -> Tensor:
        """Drop the branch for whole rows at random in training; the mean over draws is the branch itself."""
        if not self.training or self.drop_prob == 0.0:
            return branch_BLD
        keep_prob = 1.0 - self.drop_prob
        keep_B11 = torch.rand(branch_BLD.shape[0], 1, 1, device=branch_BLD.device) < keep_prob
        return branch_BLD * keep_B11 / keep_prob


class AudioEncoder(nn.Module):
    """Turn log-mel windows into one vector per 20 ms: two convolutions, sinusoids, Transformer layers."""

    positional_embedding: Tensor

    def __init__(self, dims: ModelDimensions, stochastic_depth: float, recompute: Recompute = "nothing") -> None:
        super().__init__()
        self.recompute: Recompute = recompute
        state = dims.n_audio_state
        self.conv1 = nn.Conv1d(dims.n_mels, state, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(state, state, kernel_size=3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(dims.n_audio_ctx, state))
        self.blocks = nn.ModuleList(
            ResidualAttentionBlock(state, dims.n_audio_head, drop_prob)
            for drop_prob in _drop_probs(stochastic_depth, dims.n_audio_layer)
        )
        self.ln_post = nn.LayerNorm(state)

    def forward(self, mel_BFT: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Encode windows to audio_BSD with S = audio_length(T).

        Without `lengths_B` all T frames are audio (T = 3000 is OpenAI's exact computation). With it, row b
        holds lengths_B[b] >= 1 frames and its result equals that row encoded alone; what lies beyond is 0.
        """
        frames_BT = _valid(lengths_B, mel_BFT.shape[-1])
        x_BDT = F.gelu(self.conv1(_zero_padding(mel_BFT, frames_BT, dim=1)))
        x_BSD = F.gelu(self.conv2(_zero_padding(x_BDT, frames_BT, dim=1))).transpose(1, 2)
        num_positions, max_positions = x_BSD.shape[1], self.positional_embedding.shape[0]
        assert num_positions <= max_positions, f"{num_positions} audio positions exceed n_audio_ctx {max_positions}"
        x_BSD = x_BSD + self.positional_embedding[:num_positions]
        valid_BS = _valid(None if lengths_B is None else audio_length(lengths_B), num_positions)
        mask = None if valid_BS is None else valid_BS[:, None, None, :]
        for block in self.blocks:
            x_BSD = _run(block, self.recompute, x_BSD, mask)
        return _zero_padding(self.ln_post(x_BSD), valid_BS, dim=2)


class TextDecoder(nn.Module):
    """Predict the next token from earlier tokens and the encoded audio; the output head is the embedding."""

    def __init__(self, dims: ModelDimensions, stochastic_depth: float, recompute: Recompute = "nothing") -> None:
        super().__init__()
        self.recompute: Recompute = recompute
        state = dims.n_text_state
        self.token_embedding = nn.Embedding(dims.n_vocab, state)
        self.positional_embedding = nn.Parameter(torch.empty(dims.n_text_ctx, state))
        self.blocks = nn.ModuleList(
            ResidualAttentionBlock(state, dims.n_text_head, drop_prob, cross_attention=True)
            for drop_prob in _drop_probs(stochastic_depth, dims.n_text_layer)
        )
        self.ln = nn.LayerNorm(state)

    def forward(self, tokens_BL: Tensor, audio_BSD: Tensor, audio_lengths_B: Tensor | None = None) -> Tensor:
        """Return logits_BLV in float32; `audio_lengths_B` are audio positions per row."""
        return F.linear(self.hidden(tokens_BL, audio_BSD, audio_lengths_B), self.token_embedding.weight).float()

    def hidden(self, tokens_BL: Tensor, audio_BSD: Tensor, audio_lengths_B: Tensor | None = None) -> Tensor:
        """Return what the output head is applied to, x_BLD: training applies it in pieces (model/training/loss.py)."""
        num_tokens, max_tokens = tokens_BL.shape[1], self.positional_embedding.shape[0]
        assert num_tokens <= max_tokens, f"{num_tokens} tokens exceed n_text_ctx {max_tokens}"
        x_BLD = self.token_embedding(tokens_BL) + self.positional_embedding[:num_tokens]
        valid_BS = _valid(audio_lengths_B, audio_BSD.shape[1])
        audio_mask = None if valid_BS is None else valid_BS[:, None, None, :]
        for block in self.blocks:
            x_BLD = _run(block, self.recompute, x_BLD, None, audio_BSD, audio_mask)
        return self.ln(x_BLD)


class Whisper(nn.Module):
    """The whole network. Loads OpenAI's `model_state_dict` unchanged, and saves one OpenAI's code loads."""

    def __init__(self, dims: ModelDimensions, stochastic_depth: float = 0.0, recompute: Recompute = "nothing") -> None:
        """Build with weights ready for training; `stochastic_depth` is the drop rate of the last layers.

        `recompute` says what the backward pass computes again rather than keep: "cheap" all but matrix products
        and attention, "layers" everything but each layer's input.
        """
        super().__init__()
        if recompute not in RECOMPUTE:
            raise unknown_name("recompute", recompute, RECOMPUTE)
        if not 0.0 <= stochastic_depth < 1.0:
            raise UserError(f"stochastic_depth {stochastic_depth} is no drop rate; expected 0 to below 1; try 0.1")
        self.dims = dims
        self.encoder = AudioEncoder(dims, stochastic_depth, recompute)
        self.decoder = TextDecoder(dims, stochastic_depth, recompute)
        self._init_weights()

    def forward(self, mel_BFT: Tensor, tokens_BL: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Return logits_BLV; `lengths_B` are mel frames per row (see AudioEncoder.forward)."""
        audio_lengths_B = None if lengths_B is None else audio_length(lengths_B)
        return self.decoder(tokens_BL, self.encoder(mel_BFT, lengths_B), audio_lengths_B)

    def _init_weights(self) -> None:
        """Draw Gaussian fan-in weights (Whisper, Table 17) and zero biases.

        Two additions of GPT-2's (Radford et al. 2019, §2.3, and its code): projections that end a residual
        branch are divided by sqrt(branches), and embeddings use 0.02 (tokens) and 0.01 (positions), so that
        tied logits start near zero.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv1d):
                nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for stack, branches in ((self.encoder, 2), (self.decoder, 3)):
            for name, weight in stack.blocks.named_parameters():
                if name.endswith(("out.weight", "mlp.2.weight")):
                    weight.data /= math.sqrt(branches * len(stack.blocks))
        nn.init.normal_(self.decoder.token_embedding.weight, std=0.02)
        nn.init.normal_(self.decoder.positional_embedding, std=0.01)


def audio_length(frames: Tensor) -> Tensor:
    """Return how many audio positions this many mel frames give (the second convolution halves them)."""
    return (frames + 1) // 2


def num_parameters(model: nn.Module) -> int:
    """Count trained numbers; the tied output head counts once, the encoder's sinusoids do not."""
    return sum(parameter.numel() for parameter in model.parameters())


def sinusoids(length: int, channels: int, max_timescale: float = 10_000.0) -> Tensor:
    """Return position vectors (length, channels): sines in the first half, cosines in the second."""
    step = math.log(max_timescale) / (channels // 2 - 1)
    inverse_timescales = torch.exp(-step * torch.arange(channels // 2))
    angles = torch.arange(length)[:, None] * inverse_timescales[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _drop_probs(last: float, num_layers: int) -> list[float]:
    """Grow the drop rate linearly with depth (Huang et al. 2016, §4)."""
    return [last * (layer + 1) / num_layers for layer in range(num_layers)]


def _valid(lengths_B: Tensor | None, size: int) -> Tensor | None:
    """Return True where a position holds data, or None when every position does."""
    if lengths_B is None:
        return None
    return torch.arange(size, device=lengths_B.device)[None, :] < lengths_B[:, None]


def _zero_padding(x: Tensor, valid_BT: Tensor | None, dim: int) -> Tensor:
    """Zero what lies beyond a row's length; `dim` is where the channels stand."""
    return x if valid_BT is None else x.masked_fill(~valid_BT.unsqueeze(dim), 0.0)


def _run(block: nn.Module, recompute: Recompute, *inputs: Tensor | None) -> Tensor:
    """Run a layer; in training its activations may be computed again in the backward pass."""
    if recompute == "nothing" or not torch.is_grad_enabled():
        return block(*inputs)
    if recompute == "layers":
        return checkpoint(block, *inputs, use_reentrant=False)
    contexts = functools.partial(create_selective_checkpoint_contexts, _keep_costly)
    return checkpoint(block, *inputs, use_reentrant=False, context_fn=contexts)


def _keep_costly(_context: object, op: object, *_args: object, **_kwargs: object) -> CheckpointPolicy:
    """Keep what matrix products and attention give: nearly all the time, and half of the memory."""
    is_costly = "attention" in str(op) or op in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)
    return CheckpointPolicy.MUST_SAVE if is_costly else CheckpointPolicy.PREFER_RECOMPUTE
