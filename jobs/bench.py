"""Measure a part of Sotto on this machine: python jobs/bench.py bench=crawl"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import hydra
from omegaconf import DictConfig

from jobs.benchmarks import annotate
from jobs.benchmarks.crawl import CrawlBench, bench_crawl
from jobs.benchmarks.decode import DecodeBench, bench_decode
from jobs.benchmarks.dedup import DedupBench, bench_dedup
from jobs.benchmarks.mel import MelBench, bench_mel
from jobs.benchmarks.model import ModelBench, bench_model
from jobs.benchmarks.tokens import TokenBench, bench_tokens
from jobs.cli import clean_errors
from pipeline.errors import unknown_name


def run_bench(cfg: DictConfig) -> Iterator[str]:
    """Yield the lines of the benchmark a config names."""
    if cfg.bench not in BENCHES:
        raise unknown_name("bench", cfg.bench, BENCHES)
    return BENCHES[cfg.bench](cfg)


def _crawl(cfg: DictConfig) -> Iterator[str]:
    return bench_crawl(CrawlBench(**cfg.crawl))


def _mel(cfg: DictConfig) -> Iterator[str]:
    return bench_mel(MelBench(**cfg.mel))


def _decode(cfg: DictConfig) -> Iterator[str]:
    return bench_decode(DecodeBench(**cfg.decode))


def _model(cfg: DictConfig) -> Iterator[str]:
    return bench_model(ModelBench(**cfg.model))


def _tokens(cfg: DictConfig) -> Iterator[str]:
    return bench_tokens(TokenBench(**cfg.tokens))


def _dedup(cfg: DictConfig) -> Iterator[str]:
    return bench_dedup(DedupBench(**cfg.dedup))


def _annotate(cfg: DictConfig) -> Iterator[str]:
    return annotate.run(annotate.AnnotateBench(**cfg.annotate))


BENCHES: Mapping[str, Callable[[DictConfig], Iterator[str]]] = {
    "mel": _mel,
    "decode": _decode,
    "model": _model,
    "tokens": _tokens,
    "crawl": _crawl,
    "annotate": _annotate,
    "dedup": _dedup,
}


@hydra.main(version_base=None, config_path="../conf", config_name="bench")
@clean_errors
def main(cfg: DictConfig) -> None:
    """Print the lines as they come."""
    for line in run_bench(cfg):
        print(line, flush=True)


if __name__ == "__main__":
    main()
