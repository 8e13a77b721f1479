"""Explore the last ingest's thresholds: `make explore`.

Without more it prints hours kept for each threshold of each rule, by language. `reason=noisy keep.min=10` says what a
change would add and remove, and cuts windows at the margin into FLAC files to listen to. `view=languages` compares
claimed and heard languages, `view=sources` ranks places by the hours that are wrong in them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra import compose
from omegaconf import DictConfig, OmegaConf

from jobs.command.cli import command
from jobs.ingesting.exploring import (
    LastRun,
    change_lines,
    curve_lines,
    examples_of,
    language_lines,
    rules_of,
    source_lines,
    write_examples,
)
from jobs.ingesting.wiring import build_checks
from pipeline.decide.explore import propose, rule_named
from pipeline.errors import UserError, unknown_name

VIEWS = ("rules", "languages", "sources")


@command("explore")
def main(cfg: DictConfig) -> None:
    """Print a view of the last ingest, or what a change would do."""
    if cfg.view not in VIEWS:
        raise unknown_name("view", cfg.view, VIEWS)
    run = LastRun.of(cfg.data_root)
    if cfg.reason:
        explain_change(cfg, run)
    elif cfg.view == "rules":
        print("\n".join(curve_lines(run, build_checks(compose("ingest", [*cfg.overrides]))[1])))
    else:
        print("\n".join(language_lines(run) if cfg.view == "languages" else source_lines(run, cfg.num_places)))


def explain_change(cfg: DictConfig, run: LastRun) -> None:
    """Say what another threshold adds and removes, with examples to listen to."""
    rules = rules_of(build_checks(compose("ingest", [*cfg.overrides]))[1])
    rule = rule_named(cfg.reason, {name: rule for name, (_, rule) in rules.items()})
    family, _ = rules[cfg.reason]
    values, windows = run.table(family)[rule.column], run.windows()
    proposed: Any = OmegaConf.to_container(cfg.keep)
    keep = {side: limit for side, limit in proposed.items() if limit is not None}
    if not keep:
        raise UserError(f"reason {cfg.reason!r} comes with no threshold; expected keep.min or keep.max; give one")
    change = propose(rule, {**rule.keep, **keep}, values, windows)
    print(f"{cfg.reason}: {rule.column} {dict(rule.keep)} -> {dict(rule.keep) | keep}")
    print("\n".join(change_lines(run, change, windows)))
    rows = examples_of(change, rule, values, cfg.num_examples)
    for line in write_examples(run, rows, values, Path(cfg.out) / cfg.reason):
        print(line)


if __name__ == "__main__":
    main()
