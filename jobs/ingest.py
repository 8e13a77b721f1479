"""Ingest: from a source to shards and a quality report. `make ingest`; settings in conf/ingest.yaml."""

from __future__ import annotations

from datetime import UTC, datetime

from omegaconf import DictConfig

from jobs.cards import publish_cards
from jobs.cli import command
from jobs.cluster import settle_places
from jobs.config import instantiate, typed
from jobs.console import console
from jobs.dry_run import describe_fetch
from jobs.embedded import embedded_root, served_source
from jobs.executor import ExecutorConfig, make_executor
from jobs.flow import Flow
from jobs.ledger import describe_change, latest_states, publish_ledger
from jobs.reporting import publish_report
from jobs.times import recorded
from jobs.wiring import build_stages, publish_evals, publish_seeds, publish_takedowns
from jobs.words import settle_words
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
