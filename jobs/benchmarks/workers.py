"""Processes that run units, with what each stage took and the most memory they held together."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pyarrow as pa

from jobs.running.executor import Done
from jobs.running.flow import Flow
from pipeline.dedup.shingles import measure
from pipeline.stage import Unit, run_unit


class Workers:
    """An executor of some processes of its own."""

    def __init__(self, num: int) -> None:
        """Start them, with what a unit needs loaded."""
        self._pool = processes(num)
        list(self._pool.map(_warm, range(num)))
        self._peaks: dict[int, int] = {}
        self.stages: dict[str, float] = {}

    def close(self) -> None:
        """Stop them, so that what they took is counted."""
        self._pool.shutdown()

    @property
    def peak_bytes(self) -> int:
        """Return the sum of what each process held at its most, this one included."""
        return sum(self._peaks.values()) + peak_bytes()

    def run(self, task: Callable[[Unit], int], units: Sequence[Unit]) -> Iterator[Done]:
        """Run units in their order."""
        start_s = time.monotonic()
        for unit, (audio_ms, process, peak) in zip(units, self._pool.map(_run, units), strict=True):
            self._peaks[process] = peak
            yield Done(unit=unit, audio_ms=audio_ms)
        if units:
            self.stages[units[0].stage.name] = time.monotonic() - start_s


def processes(num: int) -> ProcessPoolExecutor:
    """Start processes that share nothing with this one."""
    return ProcessPoolExecutor(num, mp_context=multiprocessing.get_context("spawn"))


def flow(root: str, workers: Any) -> Flow:
    """Return a flow without a word on how far it is."""
    return Flow(root_uri=root, blobs_uri=root, executor=workers, progress=lambda *_: None)


def peak_bytes() -> int:
    """Return the most memory this process held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cpu_s() -> float:
    """Return the CPU seconds of this process and of those it started that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _warm(number: int) -> int:
    """Load what a worker needs before anything is timed."""
    return len(measure(pa.array([str(number)])).bands)


def _run(unit: Unit) -> tuple[int, int, int]:
    return run_unit(unit), os.getpid(), peak_bytes()
