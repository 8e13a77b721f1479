"""Train a model on the shards: python jobs/train.py +experiment=demo (or large dry_run=true)."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from jobs.cli import clean_errors
from jobs.tracking import start_run
from jobs.training import Report, Settings, build, card_of, plain, read_settings
from model.estimate import describe, trace_step
from model.trainer import LAST, make_trainer
from pipeline.errors import UserError


@hydra.main(version_base=None, config_path="../conf", config_name="train")
@clean_errors
def main(cfg: DictConfig) -> None:
    """Train, or only say what training would take."""
    settings = read_settings(cfg)
    if settings.dry_run:
        print("\n".join(estimate(settings)))
        return
    module, data = build(settings)
    tracking = settings.tracking
    with start_run(tracking["uri"], tracking["experiment"], settings.name, plain(cfg)) as run:
        trainer = make_trainer(
            settings.trainer, settings.optimisation, settings.run_dir, run.lightning_logger(), [Report()]
        )
        trainer.fit(module, data, ckpt_path=settings.resume, weights_only=True)
        checkpoint = f"{settings.run_dir}/checkpoints/{LAST}.ckpt"
        trainer.save_checkpoint(checkpoint, weights_only=False)
    print(f"{checkpoint}\nnext: {sys.executable} jobs/evaluate.py checkpoint={checkpoint}")


def estimate(settings: Settings) -> list[str]:
    """Return what the run would take, by its first step on fake tensors; no shards are needed."""
    if settings.machine is None:
        raise UserError("dry_run needs the hardware it is for; expected settings under machine; use +experiment=large")
    rows = settings.loader.batch_size // (settings.machine.num_gpus * settings.trainer.accumulate)
    vocabulary = settings.vocabulary.build(lambda: [])
    card = card_of(settings, vocabulary, "none", "none")
    step = trace_step(card, settings.optimisation, rows, settings.machine.text_tokens)
    dims = ", ".join(f"{name} {getattr(card.dims, name)}" for name in card.dims.__dataclass_fields__)
    lines = describe(step, settings.optimisation, settings.loader.batch_size, settings.machine)
    return [f"dimensions             {dims}", *lines]


if __name__ == "__main__":
    main()
