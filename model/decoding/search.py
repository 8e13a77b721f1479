"""Choose tokens: the most probable, a sample, or beams; as openai-whisper does, token for token.

A Group is one window's rows. It takes their scores of one step at a time and keeps what they have said.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from model.decoding.options import DecodeOptions

TokenIds = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """One step's answer for all rows: the best tokens in falling order with their log-probabilities (R, top)."""

    tokens: list[list[int]]
    logprobs: list[list[float]]


@dataclass(slots=True)
class Group:
    """The rows of one window; `said` are their tokens after the prompt, `sums` their log-probabilities."""

    size: int
    eot: int
    options: DecodeOptions
    max_tokens: int
    temperature: float
    rng: random.Random
    said: list[list[int]] = field(init=False)
    sums: list[float] = field(init=False)
    finished: dict[TokenIds, float] = field(init=False, default_factory=dict[TokenIds, float])
    is_done: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.said = [[] for _ in range(self.size)]
        self.sums = [0.0] * self.size

    @property
    def is_beam(self) -> bool:
        """Whether beams compete; otherwise rows go their own ways."""
        return self.temperature == 0.0 and self.options.beam_size > 1

    def advance(self, scores: Scores, first_row: int) -> list[int]:
        """Take a step's scores and return, for each row, the row of this group it goes on from."""
        advance = self._advance_beams if self.is_beam else self._advance_rows
        sources = advance(scores, first_row)
        self.is_done = self.is_done or len(self.said[0]) >= self.max_tokens
        return sources

    def best(self) -> tuple[TokenIds, float]:
        """Return the best row's tokens without eot, and the sum of its log-probabilities."""
        candidates = self._beams() if self.is_beam else self._rows()
        penalty = self.options.length_penalty
        lengths = [len(tokens) if penalty is None else ((5 + len(tokens)) / 6) ** penalty for tokens, _ in candidates]
        ranks = [total / length if length else total for (_, total), length in zip(candidates, lengths, strict=True)]
        return candidates[ranks.index(max(ranks))]

    def _advance_rows(self, scores: Scores, first_row: int) -> list[int]:
        active = self.options.best_of if self.temperature > 0.0 else 1
        for row in range(self.size):
            if self.said[row][-1:] == [self.eot] or row >= active:
                self.said[row].append(self.eot)
                continue
            self.said[row].append(scores.tokens[first_row + row][0])
            self.sums[row] += scores.logprobs[first_row + row][0]
        self.is_done = all(tokens[-1] == self.eot for tokens in self.said)
        return list(range(self.size))

    def _advance_beams(self, scores: Scores, first_row: int) -> list[int]:
        num_beams = self.options.beam_size
        # All beams start alike: only the first one counts then.
        rows = range(num_beams if self.said[0] else 1)
        candidates = [
            (self.sums[row] + logprob, row, token)
            for row in rows
            for token, logprob in zip(
                scores.tokens[first_row + row][: num_beams + 1],
                scores.logprobs[first_row + row][: num_beams + 1],
                strict=True,
            )
        ]
        kept: list[tuple[float, int, int]] = []
        ended: list[tuple[TokenIds, float]] = []
        for candidate in sorted(candidates, key=lambda one: one[0], reverse=True):
            total, row, token = candidate
            if token == self.eot:
                ended.append((tuple(self.said[row]), total))
                continue
            kept.append(candidate)
            if len(kept) == num_beams:
                break
        idle = self.size - num_beams
        self.said = [[*self.said[row], token] for _, row, token in kept] + [[self.eot]] * idle
        self.sums = [total for total, _, _ in kept] + [0.0] * idle
        max_candidates = round(num_beams * self.options.patience)
        for tokens, total in ended[: max_candidates - len(self.finished)]:
            self.finished[tokens] = total
        self.is_done = len(self.finished) >= max_candidates
        return [row for _, row, _ in kept] + list(range(num_beams, self.size))

    def _beams(self) -> list[tuple[TokenIds, float]]:
        found = dict(self.finished)
        live = sorted(range(self.options.beam_size), key=self.sums.__getitem__)
        while len(found) < self.options.beam_size and live:
            row = live.pop()
            found[tuple(self.said[row])] = self.sums[row]
        return list(found.items())

    def _rows(self) -> list[tuple[TokenIds, float]]:
        active = self.options.best_of if self.temperature > 0.0 else 1
        return [
            (tuple(tokens[: tokens.index(self.eot)] if self.eot in tokens else tokens), total)
            for tokens, total in zip(self.said[:active], self.sums[:active], strict=True)
        ]


def choose(logits_RV: Tensor, groups: Sequence[Group]) -> Scores:
    """Score one step: each row's best token, beams' best ones, or a token drawn at the group's temperature."""
    log_total_R = logits_RV.logsumexp(dim=-1)
    top = max((group.options.beam_size + 1 if group.is_beam else 1) for group in groups)
    best_RT, tokens_RT = logits_RV.topk(top) if top > 1 else logits_RV.max(dim=-1, keepdim=True)
    row = 0
    for group in groups:
        if group.temperature > 0.0:
            rows = range(row, row + group.options.best_of)
            tokens_RT[rows, 0] = _sample(logits_RV[rows] / group.temperature, group.rng)
            best_RT[rows, 0] = logits_RV[rows, tokens_RT[rows, 0]]
        row += group.size
    return Scores(tokens_RT.tolist(), (best_RT - log_total_R[:, None]).tolist())


def _sample(logits_GV: Tensor, rng: random.Random) -> Tensor:
    """Draw one token a row by the inverse of its cumulative distribution: one random number each, on any device."""
    cumulative_GV = logits_GV.double().softmax(dim=-1).cumsum(dim=-1)
    draws = [[rng.random()] for _ in range(len(logits_GV))]
    where_G1 = torch.tensor(draws, dtype=torch.float64, device=logits_GV.device) * cumulative_GV[:, -1:]
    return torch.searchsorted(cumulative_GV, where_G1, right=True).squeeze(1).clamp(max=logits_GV.shape[1] - 1)
