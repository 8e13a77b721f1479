"""Train and measure every combination of corpus, size, share and seed: python jobs/study.py (see conf/study.yaml)"""

from __future__ import annotations

import shlex
from typing import Any

from omegaconf import DictConfig, OmegaConf

from jobs.command.cli import command
from jobs.tracking.runs import start_run
from jobs.training.parts import plain
from jobs.training.studying import (
    Cell,
    Settings,
    ask,
    draw,
    findings,
    ingest_command,
    is_trained,
    make_corpus,
    run_command,
    share_of,
    table_lines,
    train_command,
)
from model.evaluation.evaluate import Utterance
from pipeline import store


@command("study")
def main(cfg: DictConfig) -> None:
    """Do what is not done yet, then print the table and draw it."""
    given: Any = OmegaConf.to_container(cfg, resolve=True)
    settings = Settings(**given)
    if settings.explain:
        for corpus in settings.corpora:
            print(shlex.join(ingest_command(settings, corpus)))
        for cell in settings.cells():
            print(shlex.join(train_command(settings, cell, f"SHARDS_OF_{cell.corpus}")))
        return
    shards = {corpus: make_corpus(settings, corpus) for corpus in settings.corpora}
    judge, answers = next(iter(shards.values())), dict[Cell, list[Utterance]]()
    for cell in settings.cells():
        if not is_trained(settings, cell):
            view = share_of(shards[cell.corpus], cell.share, settings.folder / "data")
            run_command(train_command(settings, cell, view))
        answers[cell] = ask(settings, cell, judge)
    found = list(findings(settings, answers))
    lines = list(table_lines(found))
    print("\n".join(["", *lines]))
    files = {f"{name}.png": png for name, png in draw(settings, found).items()} | {
        "table.md": "\n".join(lines).encode()
    }
    with start_run(settings.tracking["uri"], settings.tracking["experiment"], settings.name, plain(cfg)) as run:
        for one in found:
            run.log_metrics({f"{one.corpus}-{one.group[0]}-{one.group[1]:g}/{one.metric}": one.pooled.value})
        for name, data in files.items():
            store.publish(str(settings.folder / name), data)
            run.log_artifact(str(settings.folder / name))
    print(f"\n{settings.folder}")


if __name__ == "__main__":
    main()
