"""Measure a checkpoint on a held-out split: python jobs/evaluate.py checkpoint=runs/demo/checkpoints/last.ckpt"""

from __future__ import annotations

from pathlib import Path

import hydra
import pyarrow as pa
import torch
from omegaconf import DictConfig

from jobs.cli import clean_errors
from jobs.config import instantiate
from jobs.tracking import start_run
from jobs.training import plain
from model.checkpoint import Loaded, load
from model.corpus import Corpus
from model.evaluation import Scores, evaluate, held_out_batches, to_table
from pipeline import store, tables
from pipeline.errors import UserError


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
    shards_uri = cfg.shards or loaded.card.shards_uri
    if shards_uri is None:
        raise UserError(f"checkpoint {cfg.checkpoint} names no shards; expected a split to decode; give shards=FOLDER")
    corpus = Corpus(shards_uri, cfg.split)
    batches = held_out_batches(loaded, corpus, cfg.batch_size)
    return evaluate(loaded, batches, torch.device(cfg.device), instantiate(cfg.decode))


def examples(scores: Scores, number: int) -> list[str]:
    """Return decoded texts beside their references, of every task and language in turn."""
    spoken = [one for one in scores.utterances if one.task in ("transcribe", "translate")]
    chosen = sorted(spoken, key=lambda one: (one.lang, one.task))[:: max(1, len(spoken) // max(number, 1))][:number]
    return [f"{one.task} {one.lang}\n  said   {one.reference}\n  heard  {one.hypothesis}" for one in chosen]


def lines(table: pa.Table, prior: dict[str, float]) -> list[str]:
    """Return the scores as text, one line a task and language; "deaf" is the loss of the model that heard nothing."""
    values: dict[tuple[str, str], dict[str, float]] = {}
    for row in table.to_pylist():
        cells = values.setdefault((row["task"], row["lang"]), {"windows": row["num_utterances"]})
        cells[row["metric"]] = row["value"]
    for (task, lang), cells in values.items():
        name = "all" if task == "all" else f"{task}-{lang}"
        cells |= {"deaf": prior[name]} if name in prior else {}
    columns = ("windows", "wer", "cer", "accuracy", "loss", *(("deaf",) if prior else ()))
    found = ["", f"{'task':<16}{'lang':<5}" + "".join(f"{name:>10}" for name in columns)]
    for (task, lang), cells in values.items():
        texts = [f"{cells[name]:.3f}" if name in cells else "" for name in columns]
        texts[0] = str(int(cells["windows"]))
        found.append(f"{task:<16}{lang:<5}" + "".join(f"{text:>10}" for text in texts))
    return found


if __name__ == "__main__":
    main()
