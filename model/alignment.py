"""Help for a young encoder: it learns to say, position by position, the bytes that are spoken.

The CTC loss (Graves et al. 2006) needs no times but takes long to leave its plateau of blanks. A flat start, as
speech recognisers of the 1990s had, gets it off: the bytes of a caption are spread evenly between its own start and
end, and the encoder first learns that. From 16 minutes of speech CTC alone still has a character error rate of
1.0 after 400 steps, and with 200 steps of flat start 0.5 (2 cores, 2026-11).

Tensor suffixes: B rows, S audio positions (20 ms), D width, V bytes and blank.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from model.net import MultiHeadAttention, TextDecoder
from model.sample import Cue, Sample
from model.tasks.base import Encoded
from model.tokenizer import Tokenizer

BLANK = 256  # after the 256 bytes: any script, no vocabulary of its own
IGNORED = -100
MS_PER_POSITION = 20
SPAN_MARGIN_MS = 200
SPOKEN_TASKS = ("transcribe", "detect_language")  # their text is what is said


def spoken_bytes(text: str) -> bytes:
    """Return what the encoder should say for a text: its UTF-8 bytes, case aside."""
    return text.strip().lower().encode()


def flat_targets(sample: Sample, num_positions: int) -> NDArray[np.int64]:
    """Return the byte of each position, spread evenly over each cue, and blank where no cue is."""
    targets = np.full(num_positions, BLANK)
    for cue in sample.cues:
        content = np.frombuffer(spoken_bytes(cue.text), dtype=np.uint8)
        start, end = cue.start_ms // MS_PER_POSITION, cue.end_ms // MS_PER_POSITION
        places = np.arange(max(start, 0), min(end, num_positions))
        if len(content):
            targets[places] = content[(places - start) * len(content) // (end - start)]
    return targets


class ByteHead(nn.Module):
    """Predict bytes from the encoder's output; used in training only."""

    def __init__(self, width: int) -> None:
        """Build with new weights."""
        super().__init__()
        self.linear = nn.Linear(width, BLANK + 1)

    def forward(
        self, audio_BSD: Tensor, positions_B: Tensor, texts: Sequence[bytes], targets_BS: Tensor, flat_share: float
    ) -> Tensor:
        """Return the loss per byte: `flat_share` of it from the even spread, the rest from CTC.

        Rows whose text is empty, since it is not what is spoken, do not count.
        """
        lengths_B = torch.tensor([len(text) for text in texts], device=audio_BSD.device)
        num_bytes = lengths_B.sum().clamp(min=1)
        logits_BSV = self.linear(audio_BSD).float()
        missing = logits_BSV.shape[1] - targets_BS.shape[1]  # at the end of a batch whose longest row says nothing
        targets_BS = F.pad(targets_BS, (0, missing), value=IGNORED)
        flat_loss = F.cross_entropy(logits_BSV.transpose(1, 2), targets_BS, ignore_index=IGNORED, reduction="sum")
        if flat_share == 1.0:
            return flat_loss / num_bytes
        ctc_B = F.ctc_loss(
            logits_BSV.log_softmax(dim=-1).transpose(0, 1),
            torch.tensor(list(b"".join(texts)), device=audio_BSD.device, dtype=torch.long),
            positions_B,
            lengths_B,
            blank=BLANK,
            reduction="none",
            zero_infinity=True,
        )
        ctc_loss = (ctc_B * (lengths_B > 0)).sum()
        return (flat_share * flat_loss + (1.0 - flat_share) * ctc_loss) / num_bytes


class AttentionGuide:
    """Watch the first cross-attention head of every decoder layer, to teach it where in the audio a token is.

    The idea is guided attention's (Tachibana et al. 2018, §4.1), with a caption's own times in place of a diagonal.
    """

    def __init__(self, decoder: TextDecoder, head_width: int) -> None:
        """Keep the queries and keys of each forward pass until the next one."""
        self._head_width = head_width
        self._queries: dict[int, Tensor] = {}
        self._keys: dict[int, Tensor] = {}
        for layer, block in enumerate(decoder.blocks):
            cross = cast(MultiHeadAttention, block.cross_attn)
            cross.query.register_forward_hook(functools.partial(_keep, self._queries, layer))
            cross.key.register_forward_hook(functools.partial(_keep, self._keys, layer))

    def loss(self, spans_BL2: Tensor, positions_B: Tensor) -> Tensor:
        """Return -log of the attention inside each token's span, averaged over tokens that have one and layers."""
        num_positions = self._keys[0].shape[1]
        places_S = torch.arange(num_positions, device=spans_BL2.device)
        audio_B1S = (places_S < positions_B[:, None])[:, None, :]
        inside_BLS = (places_S >= spans_BL2[..., :1]) & (places_S < spans_BL2[..., 1:]) & audio_B1S
        has_span_BL = inside_BLS.any(dim=-1)
        losses: list[Tensor] = []
        for layer, query_BLD in self._queries.items():
            query_BLK = query_BLD[..., : self._head_width].float()
            key_BSK = self._keys[layer][..., : self._head_width].float()
            scores_BLS = query_BLK @ key_BSK.transpose(1, 2) * self._head_width**-0.5
            log_attention_BLS = scores_BLS.masked_fill(~audio_B1S, -1e9).log_softmax(dim=-1)
            log_inside_BL = log_attention_BLS.masked_fill(~inside_BLS, -1e9).logsumexp(dim=-1)
            losses.append(-(log_inside_BL * has_span_BL).sum() / has_span_BL.sum().clamp(min=1))
        return torch.stack(losses).mean()


def token_spans(encoded: Encoded, sample: Sample, tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Return from and to, in audio positions, of each token (L, 2): a cue's tokens share its time by their length.

    Both ends are widened by 200 ms. Tokens that are no spoken text have an empty span, as have all when the cues do
    not give the text.
    """
    spans = np.zeros((len(encoded.tokens), 2), dtype=np.int64)
    is_text = np.array(encoded.loss_mask) & (np.array(encoded.tokens) < tokenizer.num_text_tokens)
    spread = [_spread(cue, tokenizer) for cue in sample.cues]
    if spread and is_text.sum() == sum(map(len, spread)):
        spans[is_text] = (np.concatenate(spread) + [-SPAN_MARGIN_MS, SPAN_MARGIN_MS]) // MS_PER_POSITION
    return spans


def _spread(cue: Cue, tokenizer: Tokenizer) -> NDArray[np.float64]:
    """Return start and end in milliseconds of each of a cue's tokens."""
    lengths = [len(tokenizer.decode([token]).encode()) for token in tokenizer.encode(f" {cue.text.strip()}")]
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    times_ms = cue.start_ms + edges * (cue.end_ms - cue.start_ms) / max(edges[-1], 1.0)
    return np.stack([times_ms[:-1], times_ms[1:]], axis=1)


def _keep(kept: dict[int, Tensor], layer: int, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
    kept[layer] = output
