"""Ingest: from a source to shards and a quality report. `make ingest`; settings in conf/ingest.yaml."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import hydra
from omegaconf import DictConfig

from jobs.cli import Bars, clean_errors
from jobs.config import instantiate
from jobs.executor import ExecutorConfig, make_executor
from jobs.flow import Flow
from jobs.report import publish_report
from jobs.wiring import build_stages
from pipeline import store
from pipeline.artifact import Artifact
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.read import read_listing
from pipeline.sources import discover
from pipeline.sources.embedded import build, serve

EMBEDDED_HOST = "embedded.sotto.test"


@hydra.main(version_base=None, config_path="../conf", config_name="ingest")
@clean_errors
def main(cfg: DictConfig) -> None:
    """Run the whole line up to shards, doing only what is not done."""
    instantiate(cfg.source), build_stages(cfg)  # a mistake in the settings fails here, before any work
    with served_source(cfg), make_executor(ExecutorConfig(**cfg.executor)) as executor:
        bars = Bars()
        flow = Flow(
            root_uri=store.join(cfg.data_root, "artifacts"),
            blobs_uri=store.join(cfg.data_root, "blobs"),
            executor=executor,
            progress=bars,
        )
        stages = build_stages(cfg)
        candidates = {"candidate": discover_candidates(cfg, flow)}
        if cfg.explain:
            print("\n".join(flow.plan(stages, candidates)))
            return
        artifacts = flow.run(stages, candidates)
        bars.close()
    print(publish_report(cfg, artifacts, embedded_root(cfg)))


def discover_candidates(cfg: DictConfig, flow: Flow) -> Artifact:
    """List the source and publish its candidates."""
    source = instantiate(cfg.source)
    http: HttpOptions = instantiate(cfg.fetch.http)
    # A listing is read at once; politeness between its files is the fetch stage's.
    parts = discover.discover(
        source, lambda url: read_listing(url, replace(http, delay_s=0.0)), time.time_ns() // 1_000_000
    )
    return flow.publish_source("candidate", discover.content_fingerprint(parts), parts)


def embedded_root(cfg: DictConfig) -> Path | None:
    """Return the folder of the embedded corpus when it is the source."""
    if cfg.embedded is None:
        return None
    return Path(cfg.data_root) / "embedded" / f"seed-{cfg.embedded.seed}-scale-{cfg.embedded.scale}"


@contextmanager
def served_source(cfg: DictConfig) -> Generator[None]:
    """Make and serve the embedded corpus while the flow runs, when it is the source."""
    root = embedded_root(cfg)
    if root is None:
        yield
        return
    build.build(root, cfg.embedded.seed, cfg.embedded.scale)
    with serve.serve(root / "web") as port:
        cfg.fetch.http.pins = {EMBEDDED_HOST: f"127.0.0.1:{port}"}
        yield


if __name__ == "__main__":
    main()
