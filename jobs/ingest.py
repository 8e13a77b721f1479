"""Ingest: from a source to shards and a quality report. `make ingest`; settings in conf/ingest.yaml."""

from __future__ import annotations

from datetime import UTC, datetime

from omegaconf import DictConfig

from jobs.command.cli import command
from jobs.command.config import instantiate, typed
from jobs.command.console import console
from jobs.ingesting.cards import publish_cards
from jobs.ingesting.dry_run import describe_fetch
from jobs.ingesting.embedded import embedded_root, served_source
from jobs.ingesting.evals import publish_evals
from jobs.ingesting.reporting import publish_report
from jobs.ingesting.wiring import build_stages, publish_seeds, publish_takedowns
from jobs.ingesting.words import settle_words
from jobs.ledger import describe_change, latest_states, publish_ledger
from jobs.running.cluster import settle_places
from jobs.running.executor import ExecutorConfig, make_executor
from jobs.running.flow import Flow
from jobs.running.times import recorded
from pipeline import store

DISCOVERY = ("discover", "candidate")


@command("ingest")
def main(cfg: DictConfig) -> None:
    """Run the whole line up to shards, doing only what is not done."""
    settle_words(cfg, datetime.now(UTC))
    settle_places(cfg)
    before = latest_states(cfg.data_root) if cfg.again else {}
    source = instantiate(cfg.source)
    build_stages(cfg, source)  # a mistake in the settings fails here, before any work
    with (
        console(cfg.log) as shown,
        recorded(cfg.data_root, shown.progress) as progress,
        make_executor(typed(ExecutorConfig, cfg.executor)) as executor,
        served_source(cfg),
    ):
        flow = Flow(
            root_uri=store.join(cfg.data_root, "artifacts"),
            blobs_uri=store.join(cfg.data_root, "blobs"),
            executor=executor,
            progress=progress,
        )
        stages = build_stages(cfg, source, executor.budgets())
        inputs = {"seed": publish_seeds(cfg, source, flow), "takedown": publish_takedowns(cfg, flow)}
        inputs |= publish_evals(cfg, flow)
        if cfg.explain:
            shown.say("\n".join(flow.plan(stages, inputs)))
            return
        if cfg.dry_run:
            artifacts = flow.run([stage for stage in stages if stage.name in DISCOVERY], inputs)
            shown.say(describe_fetch(cfg, artifacts["candidate"]))
            return
        artifacts = flow.run(stages, inputs)
        publish_cards(cfg, artifacts)
        shown.say(publish_report(cfg, artifacts, embedded_root(cfg)))
        shown.say(publish_ledger(cfg.data_root, artifacts["ledger"]))
        if before:
            shown.say(describe_change(before, latest_states(cfg.data_root)))


if __name__ == "__main__":
    main()
