"""Ingest: from a source to shards and a quality report. `make ingest`; settings in conf/ingest.yaml."""

from __future__ import annotations

from datetime import UTC, datetime

import hydra
from omegaconf import DictConfig

from jobs.cli import Bars, clean_errors
from jobs.config import instantiate
from jobs.dry_run import describe_fetch
from jobs.embedded import embedded_root, served_source
from jobs.executor import ExecutorConfig, make_executor
from jobs.flow import Flow
from jobs.ledger import describe_change, latest_states, publish_ledger
from jobs.reporting import publish_report
from jobs.wiring import build_reader, build_stages, publish_evals
from jobs.words import settle_words
from pipeline import store
from pipeline.artifact import Artifact
from pipeline.sources.discover import seed_parts
from pipeline.sources.found import Source
from pipeline.takedown import put_in_force, read_lists

DISCOVERY = ("discover", "candidate")


@hydra.main(version_base=None, config_path="../conf", config_name="ingest")
@clean_errors
def main(cfg: DictConfig) -> None:
    """Run the whole line up to shards, doing only what is not done."""
    settle_words(cfg, datetime.now(UTC))
    before = latest_states(cfg.data_root) if cfg.again else {}
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
        stages = build_stages(cfg, source, executor.budgets())
        inputs = {"seed": publish_seeds(cfg, source, flow), "takedown": publish_takedowns(cfg, flow)}
        inputs |= publish_evals(cfg, flow)
        if cfg.explain:
            print("\n".join(flow.plan(stages, inputs)))
            return
        if cfg.dry_run:
            stages = [stage for stage in stages if stage.name in DISCOVERY]
        artifacts = flow.run(stages, inputs)
        bars.close()
    if cfg.dry_run:
        print(describe_fetch(cfg, artifacts["candidate"]))
        return
    print(publish_report(cfg, artifacts, embedded_root(cfg)))
    print(publish_ledger(cfg.data_root, artifacts["ledger"]))
    if before:
        print(describe_change(before, latest_states(cfg.data_root)))


def publish_seeds(cfg: DictConfig, source: Source, flow: Flow) -> Artifact:
    """List the source's places and publish them, once for each content."""
    with build_reader(cfg).open(flow.blobs_uri) as read:
        parts = seed_parts(source, read)
    return flow.publish_source("seed", parts)


def publish_takedowns(cfg: DictConfig, flow: Flow) -> Artifact:
    """Put the take-down lists in force for readers of the shards, and publish them, once for each content."""
    takedowns = read_lists(cfg.takedown)
    put_in_force(cfg.data_root, takedowns)
    return flow.publish_source("takedown", [takedowns.to_table()])


if __name__ == "__main__":
    main()
