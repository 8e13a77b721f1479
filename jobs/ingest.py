"""Ingest: from a source to shards and a quality report. `make ingest`; settings in conf/ingest.yaml."""

from __future__ import annotations

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
from pipeline.fetch.read import PageReader
from pipeline.sources.discover import seed_parts
from pipeline.sources.found import Source


@hydra.main(version_base=None, config_path="../conf", config_name="ingest")
@clean_errors
def main(cfg: DictConfig) -> None:
    """Run the whole line up to shards, doing only what is not done."""
    source = instantiate(cfg.source)
    build_stages(cfg, source)  # a mistake in the settings fails here, before any work
    with make_executor(ExecutorConfig(**cfg.executor)) as executor, served_source(cfg):
        bars = Bars()
        flow = Flow(
            root_uri=store.join(cfg.data_root, "artifacts"),
            blobs_uri=store.join(cfg.data_root, "blobs"),
            executor=executor,
            progress=bars,
        )
        stages = build_stages(cfg, source)
        seeds = {"seed": publish_seeds(cfg, source, flow)}
        if cfg.explain:
            print("\n".join(flow.plan(stages, seeds)))
            return
        artifacts = flow.run(stages, seeds)
        bars.close()
    print(publish_report(cfg, artifacts, embedded_root(cfg)))


def publish_seeds(cfg: DictConfig, source: Source, flow: Flow) -> Artifact:
    """List the source's places and publish them, once for each content."""
    with PageReader(instantiate(cfg.fetch.http)).open(flow.blobs_uri) as read:
        parts = seed_parts(source, read)
    return flow.publish_source("seed", parts)


if __name__ == "__main__":
    main()
