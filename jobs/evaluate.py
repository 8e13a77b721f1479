"""Measure checkpoints on evaluation sets: python jobs/evaluate.py checkpoint=runs/demo/checkpoints/last.ckpt"""

from __future__ import annotations

from omegaconf import DictConfig

from jobs.command.cli import command
from jobs.evaluating.checkpoints import (
    answer,
    as_jsonl,
    comparisons,
    list_items,
    read_settings,
    rows_of,
)
from jobs.evaluating.files import draw, publish
from jobs.evaluating.page import comparison_lines, examples, page, terminal_lines
from model.checkpoint import load
from pipeline import tables
from pipeline.schema import EVAL_RESULT


@command("evaluate")
def main(cfg: DictConfig) -> None:
    """Ask every set of every checkpoint; print, store, draw and log what comes of it."""
    settings, loaded = read_settings(cfg)
    sets = list_items(settings)
    answers = answer(loaded, sets, settings)
    rows = rows_of(answers, settings.checkpoint, settings.resamples)
    said = examples(answers, settings.num_examples)
    print("\n".join([*(f"{name}\n  said   {ref}\n  heard  {hyp}" for name, ref, hyp in said), *terminal_lines(rows)]))
    jsonl, compared = as_jsonl(answers, settings.checkpoint), {}
    every = list(rows)
    for path in settings.against:
        others = answer(load(path, settings.device), sets, settings)
        compared[path] = comparisons(answers, others, settings.resamples)
        every += rows_of(others, path, settings.resamples)
        jsonl += as_jsonl(others, path)
        print("\n".join(comparison_lines(path, compared[path])))
    pictures = draw(every, rows, settings)
    files = {f"{name}.png": png for name, png in pictures.items()} | {"utterances.jsonl": jsonl.encode()}
    files["results.parquet"] = tables.to_parquet(tables.from_rows(every, EVAL_RESULT))
    files["index.html"] = page(settings.checkpoint, rows, compared, pictures, said).encode()
    publish(settings, files, rows, cfg)


if __name__ == "__main__":
    main()
