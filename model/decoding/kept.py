"""Keys and values that are kept from step to step, and attention of one query a row over them.

On a CPU it is compiled (numba) and reads what a row holds, once: a decoder's step waits for memory. 8 rows against 1500
positions in 4 layers of 6 heads took 8.0 ms as matrix products and a softmax, 4.5 ms here, 2.1 ms with keys and values
in int8 (one core of an EPYC, 2026-11).

Suffixes: A windows, G rows of a window, H heads, K width of a head, D = H x K, N cached positions.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")
Floats = NDArray[np.float32]
Numbers = NDArray[np.float32] | NDArray[np.int8]
LEVELS = 127
MAX_COMPILED_ROWS = 8  # of a window; for more, matrix products are faster
MIN_SHARED_POSITIONS = 2000  # half a millisecond: handing work to threads takes a tenth of one


@dataclass(frozen=True, slots=True)
class Reach:
    """How many positions each window's rows attend to; `bias` (A11N) is -inf behind them, None where all are full."""

    sizes: list[int]
    bias: Tensor | None

    @classmethod
    def of(cls, sizes: Sequence[int], device: torch.device) -> Reach:
        """Prepare the bias, which all layers share."""
        return cls(list(sizes), size_bias(sizes, max(sizes), device))


class Kept:
    """Room for keys and values of one layer, (2, A, H, N, K); int8 has a scale for each position and head."""

    def __init__(self, shape: tuple[int, int, int, int], like: Tensor, int8: bool = False) -> None:
        """Allocate; on a CPU, pages that nobody writes cost nothing."""
        self._numbers = like.new_zeros(2, *shape, dtype=torch.int8 if int8 else like.dtype)
        self._scales = like.new_ones(2, *shape[:3])
        self._is_int8 = int8
        self._is_compiled = like.device.type == "cpu" and like.dtype == torch.float32

    def write(self, place: tuple[Any, ...], keys: Tensor, values: Tensor) -> None:
        """Store vectors of K at an index of A, H and N."""
        for number, x in enumerate((keys, values)):
            if self._is_int8:
                scale = x.abs().amax(dim=-1).clamp(min=1e-12) / LEVELS
                x = (x / scale[..., None]).round()
                self._scales[(number, *place)] = scale
            self._numbers[(number, *place)] = x

    def move(self, source: slice | Tensor, target: slice, end: int | None = None) -> None:
        """Copy windows to other places, as far as `end`."""
        self._numbers[:, target, :, :end] = self._numbers[:, source, :, :end]
        self._scales[:, target, :, :end] = self._scales[:, source, :, :end]

    def attend(self, query_AGD: Tensor, reach: Reach, first: int = 0) -> Tensor:
        """Return what the rows of windows hear, AGD, from the window at place `first` on."""
        num_windows, group, width = query_AGD.shape
        _, _, num_heads, _, head_width = self._numbers.shape
        query_AGHK = query_AGD.view(num_windows, group, num_heads, head_width)
        numbers, scales = (x[:, first : first + num_windows] for x in (self._numbers, self._scales))
        if self._is_compiled and group <= MAX_COMPILED_ROWS:
            heard = np.empty(query_AGHK.shape, dtype=np.float32)
            _share(query_AGHK.numpy(), numbers.numpy(), scales.numpy(), np.array(reach.sizes), heard)
            return torch.from_numpy(heard).view(num_windows, group, width)
        numbers = numbers[..., : max(reach.sizes), :]
        keys, values = numbers * scales[..., : max(reach.sizes), None] if self._is_int8 else numbers
        return attend(query_AGHK.transpose(1, 2), keys, values, reach.bias)


def attend(query_AHGK: Tensor, keys_AHNK: Tensor, values_AHNK: Tensor, bias: Tensor | None) -> Tensor:
    """Attend with queries that carry their scale; returns AGD."""
    scores_AHGN = query_AHGK @ keys_AHNK.transpose(2, 3)
    if bias is not None:
        scores_AHGN += bias
    return (scores_AHGN.softmax(dim=-1) @ values_AHNK).transpose(1, 2).flatten(2)


def size_bias(sizes: Sequence[int], width: int, device: torch.device) -> Tensor | None:
    """Return 0 where a row of this size has something to attend to and -inf behind it; None when all rows are full."""
    if min(sizes) == width:
        return None
    size_A = torch.tensor(sizes, device=device)
    is_beyond_AN = torch.arange(width, device=device) >= size_A[:, None]
    return torch.zeros(is_beyond_AN.shape, device=device).masked_fill_(is_beyond_AN, -math.inf)[:, None, None]


def _share(query: Floats, numbers: Numbers, scales: Floats, sizes: NDArray[np.int64], heard: Floats) -> None:
    """Give each of torch's threads some windows, where that pays."""
    num_threads = min(torch.get_num_threads(), len(sizes))
    if num_threads == 1 or sizes.sum() * query.shape[1] < MIN_SHARED_POSITIONS:
        return _attend(query, numbers, scales, sizes, heard)

    def take(place: int) -> None:
        own = slice(place, None, num_threads)
        _attend(query[own], numbers[:, own], scales[:, own], sizes[own], heard[own])

    list(_threads(num_threads).map(take, range(num_threads)))


@functools.cache
def _threads(num_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(num_threads, thread_name_prefix="attend")


def _compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile without Python's lock; the order of a sum is the compiler's."""
    decorate: Any = numba.njit(cache=True, nogil=True, fastmath=True)
    return cast(Callable[P, R], decorate(function))


@_compiled
def _score(asked: Floats, keys: Numbers, scores: Floats) -> None:
    for position in range(keys.shape[0]):
        score = np.float32(0.0)
        for place in range(keys.shape[1]):
            score += asked[place] * np.float32(keys[position, place])
        scores[position] = score


@_compiled
def _add_up(weights: Floats, values: Numbers, total: Floats) -> None:
    total[:] = np.float32(0.0)
    for position in range(values.shape[0]):
        for place in range(values.shape[1]):
            total[place] += weights[position] * np.float32(values[position, place])


@_compiled
def _exponentiate(scores: Floats) -> np.float32:
    """Replace scores by their exponentials below the highest, to 1e-6, and return the sum.

    A power of two put into a float's exponent, and a polynomial for the rest: a processor does many at once.
    """
    highest = scores.max()
    exponents = np.empty(len(scores), dtype=np.int32)
    for place in range(len(scores)):
        power = max(scores[place] - highest, np.float32(-87.0)) * np.float32(1.44269504)
        whole = np.floor(power + np.float32(0.5))
        rest = (power - whole) * np.float32(0.69314718)
        tail = np.float32(1 / 6) + rest * (
            np.float32(1 / 24) + rest * (np.float32(1 / 120) + rest * np.float32(1 / 720))
        )
        scores[place] = np.float32(1.0) + rest * (np.float32(1.0) + rest * (np.float32(0.5) + rest * tail))
        exponents[place] = (np.int32(whole) + np.int32(127)) << np.int32(23)
    scores *= exponents.view(np.float32)
    return scores.sum()


@_compiled
def _attend(query: Floats, numbers: Numbers, scales: Floats, sizes: NDArray[np.int64], heard: Floats) -> None:
    num_windows, group, num_heads, width = query.shape
    weights = np.empty(numbers.shape[3], dtype=np.float32)
    asked, total = np.empty(width, dtype=np.float32), np.empty(width, dtype=np.float32)
    for window in range(num_windows):
        size = sizes[window]
        for head in range(num_heads):
            for row in range(group):
                asked[:] = query[window, row, head]
                _score(asked, numbers[0, window, head, :size], weights)
                weights[:size] *= scales[0, window, head, :size]
                divisor = _exponentiate(weights[:size])
                weights[:size] *= scales[1, window, head, :size]
                _add_up(weights, numbers[1, window, head, :size], total)
                heard[window, row, head] = total / divisor
