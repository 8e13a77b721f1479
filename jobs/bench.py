"""Measure a part of Sotto on this machine: python jobs/bench.py bench=crawl"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from omegaconf import DictConfig

from jobs.command.cli import command
from jobs.command.config import typed
from pipeline.errors import unknown_name


def run_bench(cfg: DictConfig) -> Iterator[str]:
    """Yield the lines of the benchmark a config names."""
    benches = _benches()
    if cfg.bench not in benches:
        raise unknown_name("bench", cfg.bench, benches)
    settings, run = benches[cfg.bench]
    return run(typed(settings, cfg[cfg.bench]))


@command("bench")
def main(cfg: DictConfig) -> None:
    """Print the lines as they come."""
    for line in run_bench(cfg):
        print(line, flush=True)


def _benches() -> Mapping[str, tuple[type[Any], Callable[[Any], Iterator[str]]]]:
    """Return each bench's settings and function: named here, as processes that a bench starts import this file."""
    from jobs.benchmarks import annotate, decide
    from jobs.benchmarks.codecs import CodecBench, bench_codecs
    from jobs.benchmarks.crawl import CrawlBench, bench_crawl
    from jobs.benchmarks.decode import DecodeBench, bench_decode
    from jobs.benchmarks.dedup import DedupBench, bench_dedup
    from jobs.benchmarks.loader import LoaderBench, bench_loader
    from jobs.benchmarks.mel import MelBench, bench_mel
    from jobs.benchmarks.mixture import MixtureBench, bench_mixture
    from jobs.benchmarks.model import ModelBench, bench_model
    from jobs.benchmarks.tokens import TokenBench, bench_tokens
    from jobs.benchmarks.train import TrainBench, bench_train

    return {
        "mel": (MelBench, bench_mel),
        "decode": (DecodeBench, bench_decode),
        "model": (ModelBench, bench_model),
        "train": (TrainBench, bench_train),
        "tokens": (TokenBench, bench_tokens),
        "crawl": (CrawlBench, bench_crawl),
        "annotate": (annotate.AnnotateBench, annotate.run),
        "decide": (decide.DecideBench, decide.run),
        "dedup": (DedupBench, bench_dedup),
        "loader": (LoaderBench, bench_loader),
        "codecs": (CodecBench, bench_codecs),
        "mixture": (MixtureBench, bench_mixture),
    }


if __name__ == "__main__":
    main()
