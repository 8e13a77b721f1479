"""The crawl benchmark fetches what it says it fetches, with both loops, and prints its numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from jobs.bench import run_bench
from pipeline.errors import UserError

CONF = str(Path(__file__).parents[2] / "conf")
SMALL = ["crawl.num_hosts=2", "crawl.num_rounds=1", "crawl.file_bytes=[20000]", "crawl.files_per_host=[3]"]


def lines(*overrides: str) -> list[str]:
    with initialize_config_dir(CONF, version_base=None):
        return list(run_bench(compose("bench", [*SMALL, "crawl.memory_files=20", *overrides])))


def test_both_loops_are_timed_and_compared() -> None:
    _, plain, ours, ratio, memory = lines()
    assert re.fullmatch(r" +20000 plain +\d+ +[\d.]+ +\d+ +[\d.]+", plain)
    assert re.fullmatch(r" +20000 sotto +\d+ +[\d.]+ +\d+ +[\d.]+", ours)
    assert re.fullmatch(r" +20000 ratio +[\d.]+ of the plain loop's files/s, [\d.]+ per core", ratio)
    assert re.fullmatch(r"memory: [\d.]+ MiB more at the peak of 20 files than of 1024", memory)


def test_an_unknown_benchmark_is_named() -> None:
    with pytest.raises(UserError, match=r"bench 'crawll' does not exist; have .*'crawl'.*; did you mean 'crawl'"):
        lines("bench=crawll")
