"""Train and measure every combination of corpus, size, share and seed: python jobs/study.py (see conf/study.yaml)"""

from __future__ import annotations

import shlex
import sys

from omegaconf import DictConfig

from jobs.command.cli import command
from jobs.studying.checking import check
from jobs.studying.commands import train_command
from jobs.studying.corpora import ingest_command, make_corpus, view_of
from jobs.studying.files import publish
from jobs.studying.processes import stopping
from jobs.studying.running import run_cells
from jobs.studying.settings import Settings, read_settings


@command("study")
def main(cfg: DictConfig) -> None:
    """Do what is not done yet, then print the tables, draw the pictures and write the page."""
    settings = read_settings(cfg)
    check(settings)
    if settings.explain:
        print("\n".join(explain(settings)))
        return
    with stopping():
        shards = {corpus: make_corpus(settings, corpus) for corpus in settings.corpora}
        judge = shards[settings.judge]
        views = {
            (corpus, share): view_of(shards[corpus], share, judge, settings.folder / "data")
            for corpus, share in dict.fromkeys((cell.corpus, cell.share) for cell in settings.cells())
        }
        outcome = run_cells(settings, views, judge, _say)
    if outcome.answers:
        publish(settings, outcome.answers, views, cfg)
    outcome.check(settings.name)


def explain(settings: Settings) -> list[str]:
    """Return the commands a person would type."""
    ingests = [ingest_command(settings, corpus) for corpus in settings.corpora]
    trains = [train_command(settings, cell, f"SHARDS_OF_{cell.corpus}_{cell.share:g}") for cell in settings.cells()]
    return [shlex.join(one) for one in (*ingests, *trains)]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
