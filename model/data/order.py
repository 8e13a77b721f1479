"""In which order the samples of a stream come: a pure function of a key and of how many came before.

Every epoch uses each sample once. A large corpus is read some shards at a time: their order is drawn for each epoch,
and the samples of as many as are at hand are mixed. So a machine needs these shards only, and knows the next ones.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Span:
    """Shards that are mixed: the window's number in its epoch, its first draw, and where each shard's samples end."""

    number: int
    first: int
    shards: tuple[int, ...]
    ends: list[int]

    def __len__(self) -> int:
        """Count the samples."""
        return self.ends[-1]


class Order:
    """The order of a stream whose shards have these numbers of samples; a place counts them from the first shard on."""

    def __init__(self, sizes: Sequence[int], shards_at_once: int, key: str) -> None:
        """Mix `shards_at_once` shards at a time; 0 mixes all of them."""
        self._sizes = np.asarray(sizes, dtype=np.int64)
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._at_once = shards_at_once or len(sizes)
        self._key = key
        self._epochs: dict[int, list[Span]] = {}  # the last two asked for
        self.size = int(self._sizes.sum())

    def place(self, draw: int) -> int:
        """Return the place of the stream's draw-th sample, counted from the beginning of the run."""
        epoch, index = divmod(draw, self.size)
        span = self._span(epoch, index)
        key = f"{self._key}/{epoch}" + (f"/{span.number}" if len(span) < self.size else "")
        return self._place_in(span, permute(index - span.first, len(span), key))

    def neighbour(self, draw: int, rng: np.random.Generator) -> int:
        """Return any place of the shards that are mixed when a draw comes."""
        span = self._span(*divmod(draw, self.size))
        return self._place_in(span, int(rng.integers(len(span))))

    def upcoming(self, draw: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shards, by number, that are mixed when a draw comes, and those that are mixed after them."""
        epoch, index = divmod(draw, self.size)
        span = self._span(epoch, index)
        following = epoch * self.size + span.first + len(span)
        return span.shards, self._span(*divmod(following, self.size)).shards

    def _place_in(self, span: Span, number: int) -> int:
        row = bisect_right(span.ends, number)
        shard = span.shards[row]
        return int(self._starts[shard]) + number - span.ends[row] + int(self._sizes[shard])

    def _span(self, epoch: int, index: int) -> Span:
        if epoch not in self._epochs:
            self._epochs = dict([*self._epochs.items()][-1:]) | {epoch: self._lay_out(epoch)}
        spans = self._epochs[epoch]
        return spans[bisect_right(spans, index, key=lambda span: span.first) - 1]

    def _lay_out(self, epoch: int) -> list[Span]:
        """Deal the shards of an epoch into windows; all of them at once need no order."""
        shards = np.arange(len(self._sizes))
        if self._at_once < len(shards):
            shards = np.random.default_rng(_number(f"{self._key}/{epoch}/shards")).permutation(len(shards))
        spans, first = list[Span](), 0
        for number, start in enumerate(range(0, len(shards), self._at_once)):
            window = shards[start : start + self._at_once]
            span = Span(number, first, tuple(window.tolist()), self._sizes[window].cumsum().tolist())
            first += len(span)
            spans.append(span)
        return spans


def permute(index: int, size: int, key: str) -> int:
    """Return where a bijection of range(size), chosen by the key, sends index, without laying it out.

    Four Feistel rounds on the next even power of two, walked until the value is inside (Black and Rogaway 2002).
    """
    half_bits = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    mask = (1 << half_bits) - 1
    while True:
        left, right = index >> half_bits, index & mask
        for turn in range(4):
            left, right = right, left ^ (_number(f"{key}/{turn}/{right}") & mask)
        index = left << half_bits | right
        if index < size:
            return index


def _number(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")
