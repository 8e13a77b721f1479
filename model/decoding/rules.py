"""Which tokens may come next: never other special tokens, few symbols, timestamps in pairs that do not go back.

The rules are openai-whisper's, for all rows at once. Stricter than there: language tokens never follow, nor do
timestamps where the prompt forbids them or after the window's end.

Tensor suffixes: R rows, V vocabulary, T timestamps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.decoding.options import DecodeOptions
from model.tokenizer import NUM_TIMESTAMPS, TIMESTAMP_STEP_MS, Tokenizer

# Signs of speaker names and sound descriptions: "(applause)", "[DAVID]", "♪". A hyphen or apostrophe is only
# unwanted at the start of a word. The notes share their first tokens with other pictures of U+2640 to U+267F.
_SYMBOLS = [
    *'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
    *("<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("'),
    *("((", "))", "(((", ")))", "[[", "]]", "{{", "}}", "♪♪", "♪♪♪"),
]
_NOTES = [*"♩♪♫♬♭♮♯"]
_WORD_STARTS = (" -", " '")
NO_STAMPS = -1
FULL_VOCABULARY = 50_000  # text tokens; smaller ones write a rare word's start as a space and a letter


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may follow in one row; timestamps from `first` to `last`, both included, none when first > last."""

    has_text: bool
    has_end: bool
    first: int
    last: int


class TokenRules:
    """The rules of one model's vocabulary under given options."""

    def __init__(self, tokenizer: Tokenizer, options: DecodeOptions, device: torch.device) -> None:
        """Prepare the masks."""
        self._eot, self._begin = tokenizer.eot, tokenizer.timestamp_begin
        self._bias_V = torch.full((tokenizer.n_vocab,), -math.inf)
        self._bias_V[: tokenizer.eot + 1] = 0.0
        self._bias_V[tokenizer.timestamp_begin :] = 0.0
        if options.suppress_non_speech:
            self._bias_V[list(non_speech_tokens(tokenizer))] = -math.inf
        self._bias_V = self._bias_V.to(device)
        self._blanks = _blanks(tokenizer) if options.suppress_blank else []
        latest_ms = options.max_initial_timestamp_ms
        self._last_initial = NUM_TIMESTAMPS - 1 if latest_ms is None else latest_ms // TIMESTAMP_STEP_MS
        self._steps_T = torch.arange(NUM_TIMESTAMPS, device=device)

    def apply(self, logits_RV: Tensor, said: Sequence[Sequence[int]], last_stamps: Sequence[int]) -> Tensor:
        """Return the logits with what may not follow at -inf; `said` are each row's tokens after its prompt.

        `last_stamps` are the latest timestamps in steps of 20 ms, NO_STAMPS where the prompt forbids them all.
        """
        logits_RV = logits_RV + self._bias_V
        starts = [row for row, tokens in enumerate(said) if not tokens]
        if starts and self._blanks:
            logits_RV[torch.tensor(starts)[:, None], torch.tensor(self._blanks)] = -math.inf
        if all(last == NO_STAMPS for last in last_stamps):
            logits_RV[:, self._begin :] = -math.inf
            return logits_RV
        allowed = [self._allowed(tokens, last) for tokens, last in zip(said, last_stamps, strict=True)]
        self._mask(logits_RV, allowed)
        self._prefer_timestamps(logits_RV)
        return logits_RV

    def _allowed(self, tokens: Sequence[int], last: int) -> Allowed:
        if last == NO_STAMPS:
            return Allowed(True, True, 1, 0)
        if not tokens:
            return Allowed(False, False, 0, min(self._last_initial, last))
        is_stamp = tokens[-1] >= self._begin
        is_pair = is_stamp and (len(tokens) < 2 or tokens[-2] >= self._begin)
        if is_pair:  # a segment has begun: text
            return Allowed(True, True, 1, 0)
        stamps = (token - self._begin for token in reversed(tokens) if token >= self._begin)
        latest = next(stamps, -1)
        # A segment has ended: the next one begins, at the same time at the earliest, or nothing follows.
        return Allowed(not is_stamp, True, latest if is_stamp else latest + 1, last)

    def _mask(self, logits_RV: Tensor, allowed: Sequence[Allowed]) -> None:
        device = logits_RV.device
        first_R, last_R = torch.tensor([[row.first, row.last] for row in allowed], device=device).T
        outside_RT = (self._steps_T < first_R[:, None]) | (self._steps_T > last_R[:, None])
        logits_RV[:, self._begin :].masked_fill_(outside_RT, -math.inf)
        for row, may in enumerate(allowed):
            if not may.has_text:
                logits_RV[row, : self._eot] = -math.inf
            if not may.has_end:
                logits_RV[row, self._eot] = -math.inf

    def _prefer_timestamps(self, logits_RV: Tensor) -> None:
        """Leave only timestamps where they have more probability together than any one token."""
        stamps_R = logits_RV[:, self._begin :].logsumexp(dim=-1)
        prefer_R = stamps_R > logits_RV[:, : self._begin].amax(dim=-1)
        logits_RV[:, : self._begin].masked_fill_(prefer_R[:, None], -math.inf)


def _blanks(tokenizer: Tokenizer) -> list[int]:
    """Return what may not come first: the end, and a lone space unless the vocabulary needs it to begin rare words."""
    space = tokenizer.encode(" ") if tokenizer.num_text_tokens >= FULL_VOCABULARY else []
    return [*space, tokenizer.eot]


@functools.cache
def non_speech_tokens(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the tokens that write what nobody says; a vocabulary too small to have one for a symbol keeps it."""
    spellings = [*_WORD_STARTS, *_SYMBOLS, *(f" {symbol}" for symbol in _SYMBOLS)]
    whole = (tokenizer.encode(spelling) for spelling in spellings)
    found = {tokens[0] for tokens in whole if len(tokens) == 1}
    for note in (*_NOTES, *(f" {note}" for note in _NOTES)):
        first = tokenizer.encode(note)[0]
        if len(tokenizer.bytes_of(first).strip()) > 1:  # a lone first byte begins quotes and dashes too
            found.add(first)
    return tuple(sorted(found))
