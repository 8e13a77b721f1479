"""Train a model on the shards: python jobs/train.py +experiment=demo (or large dry_run=true)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from jobs.command.cli import EXIT_STOPPED, command
from jobs.tracking.logbook import register, tracked
from jobs.tracking.showing import Report, Show
from jobs.tracking.spool import SpoolLogger
from jobs.training.parts import Settings, build, card_of, checkpoint_to_resume, plain, read_settings
from model.training.estimate import describe, trace_step
from model.training.saving import LAST
from model.training.trainer import make_trainer

if TYPE_CHECKING:
    from omegaconf import DictConfig  # jobs.command.cli says how to get it where it is missing


@command("train")
def main(cfg: DictConfig) -> None:
    """Train, or only say what training would take. The same command goes on where a run was left."""
    settings = read_settings(cfg)
    if settings.dry_run:
        print("\n".join(estimate(settings)))
        return
    train(settings, cfg)


def train(settings: Settings, cfg: DictConfig) -> None:
    """Train on this process, one of perhaps many."""
    checkpoint, (module, data) = checkpoint_to_resume(settings), build(settings)
    with tracked(settings, plain(cfg), module.card) as spool:
        shown = [Report(), Show(settings.preview, settings.run_dir, spool)] if spool else []
        logger = SpoolLogger(spool) if spool else False
        trainer = make_trainer(settings.trainer, settings.optimisation, str(settings.run_dir), logger, shown)
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
        if trainer.global_step < trainer.max_steps:
            print(f"stopped at step {trainer.global_step} of {trainer.max_steps}, as asked; the same command goes on")
            sys.exit(EXIT_STOPPED)
        if spool is not None:
            register(spool, settings.name, settings.checkpoints, trainer.global_step, module.seen)
    if trainer.is_global_zero:
        last = settings.checkpoints / LAST
        print(f"{last}\nnext: {sys.executable} jobs/evaluate.py checkpoint={last}")


def estimate(settings: Settings) -> list[str]:
    """Return what the run would take, by its first step on fake tensors; no shards are needed."""
    rows = max(1, settings.loader.batch_size // (settings.machine.num_gpus * settings.trainer.accumulate))
    vocabulary = settings.vocabulary.build(lambda: [])
    card = card_of(settings, vocabulary, "none", "none")
    step = trace_step(card, settings.optimisation, rows, settings.machine.text_tokens)
    dims = ", ".join(f"{name} {getattr(card.dims, name)}" for name in card.dims.__dataclass_fields__)
    lines = describe(step, settings.optimisation, settings.loader.batch_size, settings.machine)
    return [f"dimensions             {dims}", *lines]


if __name__ == "__main__":
    main()
