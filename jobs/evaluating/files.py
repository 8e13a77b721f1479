"""What an evaluation leaves: pictures, tables and a page beside the checkpoint, and a run in MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from jobs.evaluating.charts import hours_chart, noise_chart
from jobs.evaluating.checkpoints import Settings, hours_of
from jobs.tracking.runs import start_run
from jobs.training.parts import plain
from model.evaluation.normalisers import BASIC
from model.evaluation.results import ALL, CLEAN, NONE
from pipeline import store, tables
from pipeline.schema import EVAL_RESULT

Row = Mapping[str, Any]


def draw(every: Sequence[Row], rows: Sequence[Row], settings: Settings) -> dict[str, bytes]:
    """Return the pictures there is something to draw for."""
    found = {
        "noise": noise_chart(every, "wer", BASIC),
        "hours": hours_chart(rows, hours_of(settings.shards), "wer", BASIC),
    }
    return {name: png for name, png in found.items() if png is not None}


def publish(settings: Settings, files: Mapping[str, bytes], rows: Sequence[Row], cfg: DictConfig) -> None:
    """Write the files, each set's rows beside the checkpoint, and the run."""
    folder, tracking = settings.folder, settings.tracking
    for name, data in files.items():
        store.publish(str(folder / name), data)
    for name in dict.fromkeys(row["eval_set"] for row in rows):
        of_set = tables.from_rows([row for row in rows if row["eval_set"] == name], EVAL_RESULT)
        store.publish(str(folder.parent / f"eval-{name}.parquet"), tables.to_parquet(of_set))
    run_name = Path(settings.checkpoint).absolute().parents[1].name
    with start_run(tracking["uri"], tracking["experiment"], run_name, plain(cfg)) as run:
        run.log_metrics({metric_name(row): row["value"] for row in rows})
        for name in files:
            run.log_artifact(str(folder / name))
    print(f"\n{folder / 'index.html'}")


def metric_name(row: Row) -> str:
    """Return a row's name in MLflow: set, task and language, measure; noise, source and normaliser where it has one."""
    words = (row["condition"], row["source"], row["normaliser"])
    usual = (CLEAN, ALL, NONE)
    rest = [word.replace(" ", "_") for word, plain_word in zip(words, usual, strict=True) if word != plain_word]
    return "/".join([row["eval_set"], f"{row['task']}-{row['lang']}", row["metric"], *rest])
