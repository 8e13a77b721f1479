"""What a run says about itself every so many steps: losses by task and language, speed, mix, and what it skipped.

This is the one place where training waits for the device, and only when there is something to write.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from model.data.loader import TrainingBatches
from model.evaluation.metrics import LossTable
from model.training.meter import Rows
from model.training.module import LAG, SottoModule

SKIPPED = "skipped.jsonl"
KEPT_STEPS = 2 * LAG
T = TypeVar("T")


class Progress(Callback):
    """Log numbers of all ranks to the trainer's loggers, and skipped steps to `run_dir`/skipped.jsonl."""

    def __init__(self, run_dir: Path) -> None:
        """Write below a folder."""
        self._run_dir = run_dir
        self._windows: dict[int, list[str]] = {}  # of the latest steps
        self._mix: Counter[str] = Counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log when it is time."""
        assert isinstance(pl_module, SottoModule)
        pl_module.meter.step_done()
        self._windows.setdefault(batch_idx // trainer.accumulate_grad_batches, []).extend(batch.segment_ids)
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        if trainer.global_step % pl_module.logging.every == 0:
            pl_module.learn_what_happened(all_of_it=True)
            publish(trainer, pl_module, self._numbers(trainer, pl_module))
        if pl_module.skipped_now:
            self._write_skipped(trainer, pl_module)
        self._windows.pop(trainer.global_step - KEPT_STEPS, None)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        assert isinstance(pl_module, SottoModule)
        pl_module.meter.pause()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the held-out losses of all ranks."""
        assert isinstance(pl_module, SottoModule)
        table = _summed(trainer, pl_module.held_out.table())
        pl_module.held_out = Rows()
        publish(trainer, pl_module, {f"held_out/{name}": value for name, value in table.means().items()})
        pl_module.meter.go_on()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what was skipped at the very end."""
        assert isinstance(pl_module, SottoModule)
        pl_module.learn_what_happened(all_of_it=True)
        if pl_module.skipped_now:
            self._write_skipped(trainer, pl_module)

    def _numbers(self, trainer: Trainer, module: SottoModule) -> dict[str, float]:
        table, streams = module.meter.take_rows()
        for counted in _gathered(trainer, streams):
            self._mix += counted
        speed = module.meter.take_speed()
        world = cast(Tensor, trainer.strategy.reduce(_tensor(trainer, list(speed.values())), reduce_op="mean"))
        plan = module.optimisation
        numbers = {f"train/{name}": value for name, value in _summed(trainer, table).means().items()}
        numbers |= dict(zip(speed, world.tolist(), strict=True))
        numbers |= {f"mix/{name}": count / self._mix.total() for name, count in sorted(self._mix.items())}
        numbers |= {f"epochs/{name}": value for name, value in _epochs(trainer).items()}
        return numbers | {
            "learning_rate": plan.learning_rate * plan.factor(trainer.global_step),
            "grad_norm": float(module.norm),
            "skipped_steps": float(module.guard.num_skipped),
            "gpu_memory_gib": torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0,
        }

    def _write_skipped(self, trainer: Trainer, module: SottoModule) -> None:
        """Write down the windows that all ranks had in each skipped step."""
        steps, module.skipped_now = module.skipped_now, []
        mine = {step: self._windows.get(step, []) for step in steps}
        everyones = _gathered(trainer, mine)
        if not trainer.is_global_zero:
            return
        self._run_dir.mkdir(parents=True, exist_ok=True)
        with (self._run_dir / SKIPPED).open("a") as file:
            for step in steps:
                windows = [name for windows in everyones for name in windows[step]]
                print(json.dumps({"step": step, "segment_ids": windows}), file=file)


def publish(trainer: Trainer, module: SottoModule, numbers: Mapping[str, float]) -> None:
    """Give numbers of this step to the loggers, and leave them where callbacks can see them."""
    module.seen.update(numbers)
    if trainer.is_global_zero:
        finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
        for logger in trainer.loggers:
            logger.log_metrics(finite, step=trainer.global_step)


def _gathered(trainer: Trainer, mine: T) -> list[T]:
    if trainer.world_size == 1:
        return [mine]
    everyones = [mine] * trainer.world_size
    dist.all_gather_object(everyones, mine)
    return everyones


def _epochs(trainer: Trainer) -> dict[str, float]:
    loader = trainer.train_dataloader
    assert loader is not None
    return cast(TrainingBatches, loader.dataset).epochs(trainer.global_step)


def _summed(trainer: Trainer, table: LossTable) -> LossTable:
    """Return a table of all ranks' losses."""
    table.sums_TG2 = cast(
        Tensor, trainer.strategy.reduce(table.sums_TG2.to(trainer.strategy.root_device), reduce_op="sum")
    )
    return table


def _tensor(trainer: Trainer, values: list[float]) -> Tensor:
    return torch.tensor(values, device=trainer.strategy.root_device)
