"""Time implementations in turns on one thread, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def one_thread() -> Generator[None]:
    """Let torch compute on one core."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def take_turns(candidates: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of each candidate in each round, after one call that does not count."""
    for run in candidates.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds):
        for name in sorted(candidates, reverse=bool(turn % 2)):
            start_s = time.process_time()
            candidates[name]()
            seconds[name].append(time.process_time() - start_s)
    return seconds


def ratio(seconds: Mapping[str, list[float]], name: str, reference: str) -> float:
    """Return how many times faster a candidate is than the reference: the median over rounds, pair by pair."""
    pairs = zip(seconds[reference], seconds[name], strict=True)
    return statistics.median(theirs / ours for theirs, ours in pairs)
