"""Ingest: from a source to shards and a quality report. `make ingest`; settings in conf/ingest.yaml."""

from __future__ import annotations

import time
from dataclasses import replace

import hydra
from omegaconf import DictConfig

from jobs.cli import Bars, clean_errors
from jobs.config import instantiate
from jobs.embedded import embedded_root, served_source
from jobs.executor import ExecutorConfig, make_executor
from jobs.flow import Flow
from jobs.reporting import publish_report
from jobs.wiring import build_stages
from pipeline import store
from pipeline.artifact import Artifact
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.read import read_listing
from pipeline.sources import discover
from pipeline.sources.discover import Source


@hydra.main(version_base=None, config_path="../conf", config_name="ingest")
@clean_errors
def main(cfg: DictConfig) -> None:
    """Run the whole line up to shards, doing only what is not done."""
    source = instantiate(cfg.source)
    build_stages(cfg)  # a mistake in the settings fails here, before any work
    with make_executor(ExecutorConfig(**cfg.executor)) as executor, served_source(cfg):
        bars = Bars()
        flow = Flow(
            root_uri=store.join(cfg.data_root, "artifacts"),
            blobs_uri=store.join(cfg.data_root, "blobs"),
            executor=executor,
            progress=bars,
        )
        stages = build_stages(cfg)
        candidates = {"candidate": discover_candidates(cfg, source, flow)}
        if cfg.explain:
            print("\n".join(flow.plan(stages, candidates)))
            return
        artifacts = flow.run(stages, candidates)
        bars.close()
    print(publish_report(cfg, artifacts, embedded_root(cfg)))


def discover_candidates(cfg: DictConfig, source: Source, flow: Flow) -> Artifact:
    """List the source and publish its candidates."""
    http: HttpOptions = instantiate(cfg.fetch.http)
    # A listing is read at once; politeness between its files is the fetch stage's.
    parts = discover.discover(
        source, lambda url: read_listing(url, replace(http, delay_s=0.0)), time.time_ns() // 1_000_000
    )
    return flow.publish_source("candidate", discover.content_fingerprint(parts), parts)


if __name__ == "__main__":
    main()
