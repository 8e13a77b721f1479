"""The network rearranged for decoding: fused projections, static caches written in place, packed weights on a CPU.

Rows stand at positions of their own, so a finished row's place can be given to the next window while the others go on.
The G rows of a window (beams or samples) share its audio.

Tensor suffixes as in model/net.py; A windows, G rows of a window, R = A x G rows, N cached tokens, P windows that are
new.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.decoding.kept import Kept, Reach, attend
from model.decoding.packed import PackedEncoder, can_pack, fused, linear, scaled_query
from model.net import MultiHeadAttention, ResidualAttentionBlock, Whisper, audio_length

Linear = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer's weights; queries come out scaled."""

    attn_ln: nn.Module
    query_key_value: Linear
    out: Linear
    cross_ln: nn.Module
    cross_query: Linear
    cross_key_value: Linear
    cross_out: Linear
    mlp_ln: nn.Module
    mlp_in: Linear
    mlp_out: Linear


class Cache:
    """Keys and values of `num_windows` x `group` rows, written in place."""

    def __init__(self, engine: Engine, num_windows: int, group: int, max_positions: int) -> None:
        """Allocate for windows of at most `max_positions` audio positions; of audio int8 keeps 8 bits."""
        dims, weight = engine.dims, engine.embedding
        heads, width = dims.n_text_head, dims.n_text_state // dims.n_text_head
        own, audio = (num_windows * group, heads, dims.n_text_ctx, width), (num_windows, heads, max_positions, width)
        self.group = group
        self.own = [Kept(own, weight) for _ in range(dims.n_text_layer)]
        self.audio = [Kept(audio, weight, engine.int8) for _ in range(dims.n_text_layer)]
        self.positions_A = [0] * num_windows  # audio positions of each window

    def write(self, layer: int, first: int, own: tuple[Tensor, Tensor], audio: tuple[Tensor, Tensor]) -> None:
        """Store keys and values of new windows' prompts and audio, from place `first` on."""
        num_windows, _, num_tokens, _ = own[0].shape
        rows = slice(first * self.group, (first + num_windows) * self.group)
        keys, values = (x.repeat_interleave(self.group, dim=0) for x in own)
        self.own[layer].write((rows, slice(None), slice(num_tokens)), keys, values)
        places = slice(first, first + num_windows)
        self.audio[layer].write((places, slice(None), slice(audio[0].shape[2])), *audio)

    def move(self, source: int, target: int) -> None:
        """Put a window with its rows into another's place."""
        rows = slice(source * self.group, (source + 1) * self.group)
        places = slice(target * self.group, (target + 1) * self.group)
        for own, audio in zip(self.own, self.audio, strict=True):
            own.move(rows, places)
            audio.move(slice(source, source + 1), slice(target, target + 1), self.positions_A[source])
        self.positions_A[target] = self.positions_A[source]

    def reorder(self, sources_R: Sequence[int], num_tokens: int) -> None:
        """Let row r go on from what row sources_R[r] has said."""
        if list(sources_R) == list(range(len(sources_R))):
            return
        index = torch.tensor(sources_R)
        for own in self.own:
            own.move(index, slice(len(index)), num_tokens)


class Engine:
    """A model made ready for decoding; the network it is made from is not changed."""

    def __init__(self, net: Whisper, int8: bool = False, pads_windows: bool = False) -> None:
        """Pack the weights; `int8` (CPU only) rounds encoder, decoder and vocabulary head to 8 bits.

        `pads_windows` fills every window to the full context, for a model that never heard a shorter one.
        """
        self.dims, self.int8, self.pads_windows = net.dims, int8, pads_windows
        self.embedding = net.decoder.token_embedding.weight.detach()
        self._encoder = net.encoder
        self._packed_encoder = PackedEncoder(net.encoder, int8) if can_pack(self.embedding) else None
        self._places = net.decoder.positional_embedding.detach()
        self._ln = net.decoder.ln
        self._head = linear((self.embedding, None), int8)
        self._layers = [_pack(cast(ResidualAttentionBlock, block), int8) for block in net.decoder.blocks]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.embedding.device

    @torch.inference_mode()
    def encode(self, mels: Sequence[Tensor]) -> list[Tensor]:
        """Encode windows (mel_FT of any lengths) to audio_SD each; packed, one by one, which costs no padding.

        Where the model wants windows padded, all are as long as the context.
        """
        mels = [self._filled(mel_FT.to(self.device, self.embedding.dtype)) for mel_FT in mels]
        if self._packed_encoder is not None:
            return [self._packed_encoder(mel_FT) for mel_FT in mels]
        lengths_B = torch.tensor([mel_FT.shape[1] for mel_FT in mels], device=self.device)
        mel_BFT = torch.stack([F.pad(mel_FT, (0, int(lengths_B.max()) - mel_FT.shape[1])) for mel_FT in mels])
        audio_BSD = self._encoder(mel_BFT, lengths_B)
        return [row_SD[:size] for row_SD, size in zip(audio_BSD, audio_length(lengths_B).tolist(), strict=True)]

    @torch.inference_mode()
    def hear(self, audio: Sequence[Tensor], token: int) -> Tensor:
        """Return the logits_PV after a single token in windows of their own."""
        return self._head(self._read(audio, [[token]] * len(audio))[:, 0]).float()

    @torch.inference_mode()
    def attend(self, audio_SD: Tensor, tokens: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """Read one text against a window; returns logits_LV, and each layer's cross-attention scores_HLS."""
        scores: list[Tensor] = []
        x_PLD = self._read([audio_SD], [tokens], scores=scores)
        return self._head(x_PLD[0]).float(), [layer_PHLS[0].float() for layer_PHLS in scores]

    @torch.inference_mode()
    def start(
        self, audio: Sequence[Tensor], prompts: Sequence[Sequence[int]], sot: int, cache: Cache, first: int
    ) -> tuple[Tensor, Tensor]:
        """Read the prompts of new windows, which take the places from `first` on in the cache.

        Returns logits_PV at each prompt's `sot` token and at its end.
        """
        x_PLD = self._read(audio, prompts, (cache, first))
        cache.positions_A[first : first + len(audio)] = [len(row) for row in audio]
        rows = torch.arange(len(prompts))
        at_sot_PD = x_PLD[rows, [list(prompt).index(sot) for prompt in prompts]]
        at_end_PD = x_PLD[rows, [len(prompt) - 1 for prompt in prompts]]
        return self._head(at_sot_PD).float(), self._head(at_end_PD).float()

    @torch.inference_mode()
    def step(self, cache: Cache, tokens_R: Sequence[int], positions_R: Sequence[int]) -> Tensor:
        """Read one more token in each of the first rows, at a position of its own, and return logits_RV."""
        num_windows = len(tokens_R) // cache.group
        where_R = torch.tensor(positions_R, device=self.device)
        rows_R = torch.arange(len(tokens_R), device=self.device)
        said = Reach.of([position + 1 for position in positions_R], self.device)
        heard = Reach.of(cache.positions_A[:num_windows], self.device)
        x_R1D = (self.embedding[torch.tensor(tokens_R, device=self.device)] + self._places[where_R])[:, None]
        for layer, own, audio in zip(self._layers, cache.own, cache.audio, strict=True):
            query_R1D, key_R1D, value_R1D = layer.query_key_value(layer.attn_ln(x_R1D)).chunk(3, dim=-1)
            place = (rows_R, slice(None), where_R)
            own.write(place, *(x[:, 0].unflatten(-1, (self.dims.n_text_head, -1)) for x in (key_R1D, value_R1D)))
            x_R1D = x_R1D + layer.out(own.attend(query_R1D, said))
            asked_AGD = layer.cross_query(layer.cross_ln(x_R1D)).view(num_windows, cache.group, -1)
            x_R1D = _finish_layer(layer, x_R1D, audio.attend(asked_AGD, heard).view_as(x_R1D))
        return self._head(self._ln(x_R1D[:, 0])).float()

    def _filled(self, mel_FT: Tensor) -> Tensor:
        """Pad features with zeros, as openai-whisper does (2025-06)."""
        room = 2 * self.dims.n_audio_ctx - mel_FT.shape[1]  # the encoder halves frames to positions
        return F.pad(mel_FT, (0, room)) if self.pads_windows and room > 0 else mel_FT

    def _read(
        self,
        audio: Sequence[Tensor],
        prompts: Sequence[Sequence[int]],
        keep: tuple[Cache, int] | None = None,
        scores: list[Tensor] | None = None,
    ) -> Tensor:
        """Return what the head reads, x_PLD; prompts are padded to the longest, and what stands there means nothing.

        Keys and values are kept in the cache from a place on, `scores` of the cross-attention collected, where asked.
        """
        padded = nn.utils.rnn.pad_sequence([torch.tensor(prompt) for prompt in prompts], batch_first=True)
        tokens_PL = padded.to(self.device)
        audio_PSD = nn.utils.rnn.pad_sequence(list(audio), batch_first=True)
        reach = Reach.of([len(row) for row in audio], self.device)
        num_tokens = tokens_PL.shape[1]
        causal = torch.full((num_tokens, num_tokens), -math.inf, device=self.device).triu(1)
        x_PLD = self.embedding[tokens_PL] + self._places[:num_tokens]
        for number, layer in enumerate(self._layers):
            cross_keys, cross_values = _heads(layer.cross_key_value(audio_PSD), self.dims.n_text_head, 2)
            query, keys, values = _heads(layer.query_key_value(layer.attn_ln(x_PLD)), self.dims.n_text_head, 3)
            if keep is not None:
                cache, first = keep
                cache.write(number, first, (keys, values), (cross_keys, cross_values))
            x_PLD = x_PLD + layer.out(attend(query, keys, values, causal))
            asked_PLD = layer.cross_query(layer.cross_ln(x_PLD))
            (asked,) = _heads(asked_PLD, self.dims.n_text_head, 1)
            if scores is not None:
                scores.append(asked @ cross_keys.transpose(2, 3))
            heard_PLD = (
                attend(asked, cross_keys, cross_values, reach.bias)
                if keep is None
                else keep[0].audio[number].attend(asked_PLD, reach, keep[1])
            )
            x_PLD = _finish_layer(layer, x_PLD, heard_PLD)
        return self._ln(x_PLD)


def _finish_layer(layer: Layer, x_RLD: Tensor, heard_RLD: Tensor) -> Tensor:
    """Add what was heard, and run the layer's perceptron."""
    x_RLD = x_RLD + layer.cross_out(heard_RLD)
    return x_RLD + layer.mlp_out(F.gelu(layer.mlp_in(layer.mlp_ln(x_RLD))))


def _heads(x_RLD: Tensor, num_heads: int, parts: int) -> tuple[Tensor, ...]:
    """Cut fused projections into `parts` of shape RHLK."""
    return tuple(part.unflatten(-1, (num_heads, -1)).transpose(1, 2) for part in x_RLD.chunk(parts, dim=-1))


def _pack(block: ResidualAttentionBlock, int8: bool) -> Layer:
    own, cross = block.attn, cast(MultiHeadAttention, block.cross_attn)
    mlp_in, mlp_out = cast(nn.Linear, block.mlp[0]), cast(nn.Linear, block.mlp[2])
    return Layer(
        attn_ln=block.attn_ln,
        query_key_value=linear(fused(scaled_query(own), own.key, own.value), int8),
        out=linear(fused(own.out), int8),
        cross_ln=cast(nn.Module, block.cross_attn_ln),
        cross_query=linear(fused(scaled_query(cross)), int8),
        cross_key_value=linear(fused(cross.key, cross.value), int8),
        cross_out=linear(fused(cross.out), int8),
        mlp_ln=block.mlp_ln,
        mlp_in=linear(fused(mlp_in), int8),
        mlp_out=linear(fused(mlp_out), int8),
    )
