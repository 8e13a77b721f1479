"""From the ingest config to the stages of the flow, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from jobs.command.config import instantiate
from jobs.running.flow import Flow
from pipeline.annotate.agreement import AgreementAnnotator
from pipeline.annotate.audio_language import audio_language_stage
from pipeline.annotate.peers import peers_stage
from pipeline.annotate.stage import Annotator, annotate_stage
from pipeline.artifact import Artifact
from pipeline.decide.rules import Check, Rule, try_examples
from pipeline.decide.stage import decide_stage
from pipeline.decide.tombstones import tombstone_stage
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.evals import eval_stage
from pipeline.dedup.sound import SoundPrint
from pipeline.dedup.stage import dedup_stages
from pipeline.errors import UserError
from pipeline.fetch.pace import Budgets
from pipeline.fetch.read import PageReader
from pipeline.fetch.stage import fetch_stage
from pipeline.ledger.stage import ledger_stage
from pipeline.segment.stage import segment_stage
from pipeline.shard.plan import ShardConfig, shard_plan_stage
from pipeline.shard.write import shard_stage
from pipeline.sources.candidates import candidate_stage
from pipeline.sources.discover import discover_stage, seed_parts
from pipeline.sources.found import Source
from pipeline.stage import Stage
from pipeline.takedown import SparingReader, put_in_force, read_lists


def build_stages(cfg: DictConfig, source: Source, budgets: Budgets | None = None) -> list[Stage]:
    """Build every stage; each check's examples are tried here, before any work. `budgets` are the sites' turns."""
    annotators, checks = build_checks(cfg)
    shards: ShardConfig = instantiate(cfg.shard)
    dedup: DedupConfig = instantiate(cfg.dedup)
    return [
        *([eval_stage(dedup)] if cfg.eval_sets else []),  # first: a set that cannot be heard costs no crawl
        discover_stage(source, build_reader(cfg, budgets), cfg.refresh, cfg.retry),
        candidate_stage(source),
        fetch_stage(instantiate(cfg.fetch), budgets),
        tombstone_stage(),
        segment_stage(instantiate(cfg.segment)),
        annotate_stage(annotators | {SoundPrint.NAME: SoundPrint()}),
        audio_language_stage(instantiate(cfg.audio_language.crossfit)),
        peers_stage(has_agreement=AgreementAnnotator.NAME in annotators),
        *dedup_stages(dedup, has_eval_sets=bool(cfg.eval_sets)),
        decide_stage(instantiate(cfg.decide), checks),
        ledger_stage(),
        shard_plan_stage(shards),
        shard_stage(shards),
    ]


def build_reader(cfg: DictConfig, budgets: Budgets | None = None) -> SparingReader:
    """Build what discovery reads with: as polite as fetching, and nothing that was taken down."""
    reader = PageReader(instantiate(cfg.fetch.http), refresh=cfg.refresh, retry=cfg.retry, budgets=budgets)
    return SparingReader(reader, read_lists(cfg.takedown))


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


def build_checks(cfg: DictConfig) -> tuple[dict[str, Annotator], dict[str, Check]]:
    """Build the annotators and the checks, and try each check's examples."""
    spoken: Annotator = instantiate(cfg.audio_language.spoken)
    annotators: dict[str, Annotator] = {spoken.NAME: spoken}
    checks: dict[str, Check] = {}
    for name in cfg.checks:
        plain: Mapping[str, Any] = instantiate(cfg.checks[name])
        annotator: Annotator | None = plain.get("annotator")
        if annotator and annotators.setdefault(annotator.NAME, annotator) != annotator:
            raise UserError(
                f"check {name!r} configures annotator {annotator.NAME!r} unlike another check; "
                "expected the same settings; mend conf/check"
            )
        family: str = plain["family"] if "family" in plain or not annotator else annotator.NAME
        rules = tuple(Rule(**rule) for rule in plain["rules"])
        checks[str(name)] = Check(family=family, rules=rules, examples=tuple(plain.get("examples", ())))
        try_examples(str(name), checks[str(name)])
    return annotators, checks
