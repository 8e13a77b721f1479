"""What torchrun starts in these tests: a tiny training whose every rank writes down its process and its windows.

python launched.py '{"folder": ..., "shards_uri": ..., "strategy": "ddp", "max_steps": 12, "step_s": 0.1}'
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch import Callback

from model.data.batch import Batch
from model.data.loader import TrainingBatches
from model.training import saving
from tests.model.tiny_training import LOADER, OPTIMISATION, TRAINER, Tiny

# Without the alignment's loss, whose mean is a batch's own; twelve rows divide among two, three and four ranks.
ROWS = replace(LOADER, batch_size=12)


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A run to start: its steps take `step_s` longer than they need, each block of a checkpoint `write_s`.

    The rank `stuck_rank`, if any, waits for ever for its batch of step `stuck_step`.
    """

    folder: str
    shards_uri: str
    strategy: str
    max_steps: int
    step_s: float = 0.0
    write_s: float = 0.0
    stuck_rank: int = -1
    stuck_step: int = 0
    timeout_s: float = TRAINER.timeout_s


class Ledger(Callback):
    """Append a line for each step that a rank trained, in one write: no kill cuts it in two."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._write(trainer, {"process": os.getpid()})

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._write(trainer, {"step": trainer.global_step, "windows": batch.segment_ids, "process": os.getpid()})
        time.sleep(self._launch.step_s)

    def _write(self, trainer: pl.Trainer, line: dict[str, Any]) -> None:
        line |= {"rank": trainer.global_rank, "world": trainer.world_size}
        handle = os.open(Path(self._launch.folder) / "ledger.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, json.dumps(line).encode() + b"\n")
        os.close(handle)


def write_slowly(pause_s: float) -> None:
    """Make every write of a checkpoint take some time, and leave what was written on the disk at once."""
    write = saving._Hashed.write  # pyright: ignore[reportPrivateUsage]

    def written(file: Any, data: Any) -> int:
        number = write(file, data)
        file.flush()
        time.sleep(pause_s)
        return number

    saving._Hashed.write = written  # type: ignore[method-assign] # pyright: ignore[reportPrivateUsage]


def read_for_ever(step: int) -> None:
    """Make reading the batch of a step take an hour."""
    read = TrainingBatches.__getitem__

    def reading(batches: TrainingBatches, position: int) -> Batch:
        if position == step:
            time.sleep(3600.0)
        return read(batches, position)

    TrainingBatches.__getitem__ = reading  # type: ignore[method-assign]


def main(launch: Launch) -> None:
    torch.set_num_threads(1)
    write_slowly(launch.write_s)
    if launch.stuck_rank == int(os.environ["RANK"]):
        read_for_ever(launch.stuck_step)
    run = Tiny(
        run_dir=Path(launch.folder),
        shards_uri=launch.shards_uri,
        optimisation=replace(OPTIMISATION, alignment_weight=0.0, ema_decay=0.5, max_steps=launch.max_steps),
        loader=ROWS,
        trainer=replace(
            TRAINER,
            strategy=launch.strategy,
            devices=int(os.environ["WORLD_SIZE"]),
            checkpoint_every=2,
            val_every=4,
            timeout_s=launch.timeout_s,
        ),
        callbacks=[Ledger(launch)],
    )
    run.fit()


def command(launch: Launch, world: int, *options: str) -> list[str]:
    """Return what a person would type to start a run on one host."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}", *options]
    return [*torchrun, __file__, json.dumps(asdict(launch))]


if __name__ == "__main__":
    main(Launch(**json.loads(sys.argv[1])))
