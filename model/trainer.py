"""Lightning's trainer from typed settings; what it does is model/module.py and model/datamodule.py."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger

from model.module import Optimisation

LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerConfig:
    """Where and how often: Lightning's own words for hardware, steps for everything that recurs."""

    accelerator: str
    devices: int | str
    num_nodes: int
    strategy: str
    precision: str
    accumulate: int
    log_every: int
    val_every: int
    checkpoint_every: int


def make_trainer(
    config: TrainerConfig,
    optimisation: Optimisation,
    run_dir: str,
    logger: Logger | bool,
    callbacks: Sequence[Callback] = (),
) -> Trainer:
    """Build a trainer that ends after `max_steps` and keeps the newest checkpoint as checkpoints/last.ckpt."""
    keep_newest = ModelCheckpoint(
        dirpath=f"{run_dir}/checkpoints",
        filename=LAST,
        every_n_train_steps=config.checkpoint_every,
        save_top_k=1,
        enable_version_counter=False,
    )
    return Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        precision=config.precision,  # pyright: ignore[reportArgumentType] # Lightning names its literals
        accumulate_grad_batches=config.accumulate,
        max_steps=optimisation.max_steps,
        gradient_clip_val=optimisation.clip_norm,
        val_check_interval=config.val_every * config.accumulate,
        num_sanity_val_steps=0,
        log_every_n_steps=config.log_every,
        logger=logger,
        callbacks=[keep_newest, *callbacks],
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=run_dir,
    )
