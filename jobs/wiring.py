"""From the ingest config to the stages of the flow, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from jobs.config import instantiate
from pipeline.annotate.stage import Annotator, annotate_stage
from pipeline.decide.rules import Check, Rule, try_examples
from pipeline.decide.stage import decide_stage
from pipeline.dedup.stage import dedup_stage
from pipeline.errors import UserError
from pipeline.fetch.read import PageReader
from pipeline.fetch.stage import fetch_stage
from pipeline.segment.stage import segment_stage
from pipeline.shard.plan import shard_plan_stage
from pipeline.shard.write import shard_stage
from pipeline.sources.candidates import candidate_stage
from pipeline.sources.discover import discover_stage
from pipeline.sources.found import Source
from pipeline.stage import Stage


def build_stages(cfg: DictConfig, source: Source) -> list[Stage]:
    """Build every stage; each check's examples are tried here, before any work."""
    annotators, checks = _checks(cfg.checks)
    return [
        discover_stage(source, PageReader(instantiate(cfg.fetch.http)), cfg.refresh),
        candidate_stage(source),
        fetch_stage(instantiate(cfg.fetch)),
        segment_stage(instantiate(cfg.segment)),
        annotate_stage(annotators),
        dedup_stage(instantiate(cfg.dedup)),
        decide_stage(instantiate(cfg.decide), checks),
        shard_plan_stage(instantiate(cfg.shard)),
        shard_stage(),
    ]


def _checks(nodes: DictConfig) -> tuple[dict[str, Annotator], dict[str, Check]]:
    annotators: dict[str, Annotator] = {}
    checks: dict[str, Check] = {}
    for name in nodes:
        plain: Mapping[str, Any] = instantiate(nodes[name])
        annotator: Annotator = plain["annotator"]
        if annotators.setdefault(annotator.NAME, annotator) != annotator:
            raise UserError(
                f"check {name!r} configures annotator {annotator.NAME!r} unlike another check; "
                "expected the same settings; mend conf/check"
            )
        rules = tuple(Rule(**rule) for rule in plain["rules"])
        checks[str(name)] = Check(family=annotator.NAME, rules=rules, examples=tuple(plain.get("examples", ())))
        try_examples(str(name), checks[str(name)])
    return annotators, checks
