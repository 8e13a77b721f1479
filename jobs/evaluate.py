"""Measure a checkpoint on a held-out split: python jobs/evaluate.py checkpoint=runs/demo/checkpoints/last.ckpt"""

from __future__ import annotations

from pathlib import Path

import hydra
import pyarrow as pa
import torch
from omegaconf import DictConfig

from jobs.cli import clean_errors
from jobs.tracking import start_run
from jobs.training import plain
from model.checkpoint import Loaded, load
from model.corpus import Corpus
from model.evaluation import Scores, evaluate, held_out_batches, to_table
from pipeline import store, tables


@hydra.main(version_base=None, config_path="../conf", config_name="evaluate")
@clean_errors
def main(cfg: DictConfig) -> None:
    """Decode the split, print and store the scores."""
    loaded = load(cfg.checkpoint, cfg.device)
    scores = score(cfg, loaded)
    table = to_table(scores, cfg.checkpoint, cfg.split)
    prior = score(cfg, load(cfg.prior, cfg.device)).losses if cfg.prior else {}
    print("\n".join([*examples(scores, cfg.num_examples), *lines(table, prior)]))
    result = str(Path(cfg.checkpoint).with_name(f"eval-{cfg.split}.parquet"))
    store.publish(result, tables.to_parquet(table))
    tracking = cfg.tracking
    with start_run(tracking.uri, tracking.experiment, Path(cfg.checkpoint).parts[-3], plain(cfg)) as run:
        run.log_metrics({f"{row['metric']}/{row['task']}-{row['lang']}": row["value"] for row in table.to_pylist()})
        run.log_artifact(result)
    print(f"\n{result}")


def score(cfg: DictConfig, loaded: Loaded) -> Scores:
    """Evaluate a checkpoint with the audio mode it was trained with."""
    corpus = Corpus(cfg.shards or loaded.card.shards_uri, cfg.split)
    batches = held_out_batches(loaded, corpus, cfg.batch_size)
    return evaluate(loaded, batches, torch.device(cfg.device))


def examples(scores: Scores, number: int) -> list[str]:
    """Return decoded texts beside their references, of every task and language in turn."""
    spoken = [one for one in scores.utterances if one.task in ("transcribe", "translate")]
    chosen = sorted(spoken, key=lambda one: (one.lang, one.task))[:: max(1, len(spoken) // max(number, 1))][:number]
    return [f"{one.task} {one.lang}\n  said   {one.reference}\n  heard  {one.hypothesis}" for one in chosen]


def lines(table: pa.Table, prior: dict[str, float]) -> list[str]:
    """Return the scores as text, the losses beside those of a model that heard nothing."""
    found = [f"\n{'task':<16}{'lang':<6}{'metric':<10}{'value':>8}{'windows':>9}{'  without sound' if prior else ''}"]
    for row in table.to_pylist():
        name = row["task"] if row["task"] == "all" else f"{row['task']}-{row['lang']}"
        deaf = f"{prior[name]:>15.3f}" if row["metric"] == "loss" and name in prior else ""
        found.append(
            f"{row['task']:<16}{row['lang']:<6}{row['metric']:<10}{row['value']:>8.3f}{row['num_utterances']:>9}{deaf}"
        )
    return found


if __name__ == "__main__":
    main()
