"""Lightning's trainer from typed settings; what it does is model/training/module.py and model/data/datamodule.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger

from model.training.optimisation import Optimisation
from model.training.progress import Progress
from model.training.saving import CheckpointFiles, Keeper
from model.training.sharding import make_strategy
from model.training.stopping import Stopper
from model.training.watchdog import Watchdog
from pipeline.errors import UserError

CHECKPOINTS = "checkpoints"
NEW_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerConfig:
    """Where and how often: Lightning's own words for hardware, steps for everything that recurs.

    `strategy` is auto, ddp or fsdp. `peak_tflops` is a device's dense peak in this precision, for the MFU.
    `compile` compiles the layers one by one. A rank that does not move for `hang_after_s` is named, and the run ends
    when a rank was waited for as long as `timeout_s`.
    """

    accelerator: str
    devices: int | str
    num_nodes: int
    strategy: str
    precision: str
    accumulate: int
    log_every: int
    val_every: int
    checkpoint_every: int
    compile: bool = False
    peak_tflops: float | None = None
    hang_after_s: float = 45.0
    timeout_s: float = 1800.0


def make_trainer(
    config: TrainerConfig,
    optimisation: Optimisation,
    run_dir: str,
    logger: Logger | bool,
    callbacks: Sequence[Callback] = (),
) -> Trainer:
    """Build a trainer that ends after `max_steps` and keeps checkpoints in checkpoints/, the newest as last.ckpt."""
    check_restarts(os.environ)
    trainer = Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy=make_strategy(config.strategy, num_processes(config), config.timeout_s),
        precision=config.precision,  # pyright: ignore[reportArgumentType] # Lightning names its literals
        plugins=[CheckpointFiles()],
        accumulate_grad_batches=config.accumulate,
        max_steps=optimisation.max_steps,
        val_check_interval=min(config.val_every, optimisation.max_steps) * config.accumulate,
        num_sanity_val_steps=0,
        log_every_n_steps=config.log_every,
        logger=logger,
        enable_checkpointing=False,
        callbacks=[
            Stopper(),
            Progress(Path(run_dir)),
            *callbacks,
            Keeper(Path(run_dir) / CHECKPOINTS, config.checkpoint_every, config.val_every),
            Watchdog(config.hang_after_s),
        ],
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=run_dir,
    )
    return trainer


def check_restarts(environment: Mapping[str, str]) -> None:
    """Refuse to be started again by a torchrun whose ranks would look for the dead ones: UserError.

    It keeps one store over all restarts, and there the addresses of the ranks before (torch 2.13, pytorch#135712).
    """
    restarts, shared = environment.get("TORCHELASTIC_MAX_RESTARTS", "0"), "TORCHELASTIC_USE_AGENT_STORE"
    if restarts != "0" and environment.get(shared) == "True":
        raise UserError(
            f"torchrun --max-restarts={restarts} hangs when it starts ranks again, with torch's shared store; "
            f"expected a new store for each start; run {NEW_STORE}=1 torchrun ..."
        )


def num_processes(config: TrainerConfig) -> int:
    """Count the processes of a run on all nodes."""
    import torch

    devices = config.devices
    if isinstance(devices, str):
        is_cpu = config.accelerator == "cpu" or not torch.cuda.is_available()
        devices = int(devices) if devices.isdigit() else 1 if is_cpu else torch.cuda.device_count()
    return devices * config.num_nodes
