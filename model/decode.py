"""Batched greedy decoding with a key-value cache, and language detection.

What may follow is fixed by the prompt and nothing else is suppressed: after a bare start token one language
token or no_speech; then text, timestamps unless the prompt forbids them, and the end. Beam search,
temperature fallback and windows longer than 30 s are not here.

Tensor suffixes as in model/net.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.net import KVCache, Whisper, audio_length
from model.tokenizer import Tokenizer
from pipeline.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What the model says about one row.

    `tokens` are the new ones, without eot. `avg_logprob` is their mean log-probability, eot included, as in
    OpenAI's decoder. `no_speech_prob` is the probability of no_speech right after the start token.
    """

    tokens: tuple[int, ...]
    text: str
    avg_logprob: float
    no_speech_prob: float


@torch.inference_mode()
def greedy(
    model: Whisper,
    mel_BFT: Tensor,
    lengths_B: Tensor | None,
    tokenizer: Tokenizer,
    prompt: Sequence[Sequence[int]],
    max_tokens: int,
) -> list[Decoded]:
    """Take the most probable token until each row ends or has `max_tokens` new ones.

    `prompt` holds one row of tokens for each window, all of one length, each with a start token. Rows that
    end leave the batch. The context also ends a row: at most n_text_ctx tokens, prompt included.
    """
    _check(model, tokenizer, prompt)
    device = mel_BFT.device
    audio_BSD = model.encoder(mel_BFT, lengths_B)
    audio_lengths_B = None if lengths_B is None else audio_length(lengths_B)
    cache = KVCache(model.dims)
    logits_BLV = model.decoder(torch.tensor(prompt, device=device), audio_BSD, audio_lengths_B, cache)
    no_speech_probs = _no_speech_probs(logits_BLV, tokenizer, prompt)
    first_BV, later_BV = _allowed(tokenizer, prompt, device)

    tokens: list[list[int]] = [[] for _ in prompt]
    logprobs = [0.0] * len(prompt)
    rows_B = torch.arange(len(prompt), device=device)  # the rows still running
    for step in range(min(max_tokens, model.dims.n_text_ctx - cache.num_tokens)):
        allowed_BV = later_BV[rows_B] if step else first_BV
        scores_BV = logits_BLV[:, -1].masked_fill(~allowed_BV, -torch.inf).log_softmax(dim=-1)
        best_B, next_B = scores_BV.max(dim=-1)
        for row, token, logprob in zip(rows_B.tolist(), next_B.tolist(), best_B.tolist(), strict=True):
            tokens[row].append(token)
            logprobs[row] += logprob
        running_B = (next_B != tokenizer.eot).nonzero().squeeze(1)
        if len(running_B) == 0:
            break
        if len(running_B) < len(rows_B):
            cache.select(running_B)
            rows_B, next_B, audio_BSD = rows_B[running_B], next_B[running_B], audio_BSD[running_B]
            audio_lengths_B = None if audio_lengths_B is None else audio_lengths_B[running_B]
        logits_BLV = model.decoder(next_B[:, None], audio_BSD, audio_lengths_B, cache)
    return [
        _decoded(tokenizer, row_tokens, logprob, no_speech_prob)
        for row_tokens, logprob, no_speech_prob in zip(tokens, logprobs, no_speech_probs, strict=True)
    ]


@torch.inference_mode()
def detect_language(
    model: Whisper, mel_BFT: Tensor, tokenizer: Tokenizer, lengths_B: Tensor | None = None
) -> list[dict[str, float]]:
    """Return for each window the probability of every language, given that it is one of them."""
    prompt = [[tokenizer.sot]] * mel_BFT.shape[0]
    _check(model, tokenizer, prompt)
    audio_lengths_B = None if lengths_B is None else audio_length(lengths_B)
    audio_BSD = model.encoder(mel_BFT, lengths_B)
    logits_BLV = model.decoder(torch.tensor(prompt, device=mel_BFT.device), audio_BSD, audio_lengths_B)
    probs = logits_BLV[:, -1, list(tokenizer.all_language_ids)].softmax(dim=-1).tolist()
    return [dict(zip(tokenizer.codes, row, strict=True)) for row in probs]


def _check(model: Whisper, tokenizer: Tokenizer, prompt: Sequence[Sequence[int]]) -> None:
    if model.dims.n_vocab != tokenizer.n_vocab:
        raise UserError(
            f"tokenizer of {tokenizer.n_vocab} tokens does not fit the model; "
            f"it has n_vocab {model.dims.n_vocab}; load the tokenizer the model was trained with"
        )
    if len({len(row) for row in prompt}) != 1 or any(tokenizer.sot not in row for row in prompt):
        raise UserError(
            f"prompt of lengths {[len(row) for row in prompt]} is not decodable in one batch; "
            "expected one length, and a start token in each; group the windows by prompt length"
        )


def _no_speech_probs(logits_BLV: Tensor, tokenizer: Tokenizer, prompt: Sequence[Sequence[int]]) -> list[float]:
    places = [list(row).index(tokenizer.sot) for row in prompt]
    at_start_BV = logits_BLV[torch.arange(len(places)), places]
    return at_start_BV.softmax(dim=-1)[:, tokenizer.no_speech].tolist()


def _allowed(tokenizer: Tokenizer, prompt: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which tokens may come first, and which later, for each row."""
    later_BV = torch.zeros(len(prompt), tokenizer.n_vocab, dtype=torch.bool)
    later_BV[:, : tokenizer.eot + 1] = True
    for row, tokens in enumerate(prompt):
        later_BV[row, tokenizer.timestamp_begin :] = (
            tokens[-1] != tokenizer.sot and tokenizer.no_timestamps not in tokens
        )
    first_BV = later_BV.clone()
    for row, tokens in enumerate(prompt):
        if tokens[-1] == tokenizer.sot:
            first_BV[row] = False
            first_BV[row, [*tokenizer.all_language_ids, tokenizer.no_speech]] = True
    return first_BV.to(device), later_BV.to(device)


def _decoded(tokenizer: Tokenizer, tokens: list[int], logprob: float, no_speech_prob: float) -> Decoded:
    ended = bool(tokens) and tokens[-1] == tokenizer.eot
    new = tokens[:-1] if ended else tokens
    return Decoded(
        tokens=tuple(new),
        text=tokenizer.decode(new).strip(),
        avg_logprob=logprob / (len(new) + 1),
        no_speech_prob=no_speech_prob,
    )
