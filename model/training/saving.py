"""Checkpoint files that are whole or not there: written beside, synced, read back, and named by step and content.

`step-00000500.3fa9c1d2e4b5.ckpt` holds the step it says and the bytes whose sha256 begins like that, so a file needs
no other to be checked. `last.ckpt` is a link to the newest one. The one before is kept: files are removed only when
a newer one has been read back.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer

from model.training.module import SottoModule
from pipeline import store
from pipeline.errors import DataError, UserError

LAST, BEST, BEST_RECORD = "last.ckpt", "best.ckpt", "best.json"
KEPT = 2
NAME = re.compile(r"step-(\d+)\.([0-9a-f]{12})\.ckpt")
HASHED_BYTES = 12 // 2
BLOCK_BYTES = 1 << 22
log = logging.getLogger(__name__)


class CheckpointFiles(CheckpointIO):
    """How Lightning's strategies write and read checkpoints."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write `path`'s folder's newest checkpoint, and remove what is no longer needed."""
        save(checkpoint, Path(path).parent)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint onto the host."""
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a file."""
        Path(path).unlink(missing_ok=True)


def save(checkpoint: Mapping[str, Any], folder: Path) -> Path:
    """Write a checkpoint with a `global_step` into a folder; DataError when it does not read back."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / ".writing"
    with draft.open("wb") as file:
        hashed = _Hashed(file)
        torch.save(dict(checkpoint), hashed)  # pyright: ignore[reportArgumentType] # it writes, and no more is asked
        file.flush()
        os.fsync(file.fileno())
    digest = hashed.digest.hexdigest()[: 2 * HASHED_BYTES]
    if _digest(draft) != digest:
        raise DataError(f"checkpoint {draft} does not read back as written; expected sha256 {digest}; check the disk")
    path = folder / f"step-{checkpoint['global_step']:08d}.{digest}.ckpt"
    draft.replace(path)
    link = folder / ".link"
    link.unlink(missing_ok=True)
    link.symlink_to(path.name)
    link.replace(folder / LAST)
    store.sync(str(path))
    for old in _by_step(folder)[KEPT:]:
        old.unlink()
    return path


def newest(folder: Path) -> Path | None:
    """Return the newest checkpoint of a folder that is whole; damaged ones are passed over and named in the log."""
    for path in _by_step(folder):
        if _digest(path) == path.name.split(".")[1]:
            return path
        log.warning("checkpoint %s is damaged; going back to the one before", path)
    return None


def step_of(path: Path) -> int:
    """Return the step in a checkpoint's name."""
    found = NAME.fullmatch(path.name)
    assert found is not None
    return int(found[1])


def set_aside(folder: Path) -> Path | None:
    """Give the checkpoints of an earlier run another folder, so that a new one begins with none."""
    found = _by_step(folder)
    if not found:
        return None
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return folder.rename(aside)


class Keeper(Callback):
    """Save every so many steps, before each validation, when the run is asked to stop, and at its end.

    The checkpoint with the lowest held-out loss is kept as best.ckpt, with its step and loss in best.json.
    """

    def __init__(self, folder: Path, every: int, val_every: int) -> None:
        """Save into a folder."""
        if every < 1:
            raise UserError(f"trainer.checkpoint_every {every} is no number of steps; expected 1 or more; try 500")
        self._folder, self._every, self._val_every = folder, every, val_every
        self._saved = -1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where a step ends."""
        assert isinstance(pl_module, SottoModule)
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        pl_module.learn_what_happened()
        if pl_module.is_stopping:
            trainer.should_stop = True
            trainer.limit_val_batches = 0  # who asks to stop does not wait for a validation
        step = trainer.global_step
        if pl_module.is_stopping or step % self._every == 0 or step % self._val_every == 0:
            self._save(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what was saved at this step when it is the best so far."""
        assert isinstance(pl_module, SottoModule)
        loss, record = pl_module.seen.get("held_out/all"), self._folder / BEST_RECORD
        if not trainer.is_global_zero or loss is None or self._saved != trainer.global_step:
            return
        if record.exists() and json.loads(record.read_text())["held_out"] <= loss:
            return
        draft = self._folder / ".best"
        draft.unlink(missing_ok=True)
        draft.hardlink_to((self._folder / LAST).resolve())
        draft.replace(self._folder / BEST)
        record.write_text(json.dumps({"step": trainer.global_step, "held_out": loss}))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what the last steps have learnt."""
        assert isinstance(pl_module, SottoModule)
        pl_module.learn_what_happened(all_of_it=True)
        self._save(trainer, pl_module)

    def _save(self, trainer: Trainer, module: SottoModule) -> None:
        if trainer.global_step == self._saved:
            return
        module.meter.pause()
        trainer.save_checkpoint(self._folder / LAST, weights_only=False)
        trainer.strategy.barrier()
        module.meter.go_on()
        self._saved = trainer.global_step


class _Hashed(io.RawIOBase):
    """A file that hashes what is written to it."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _by_step(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step-*.ckpt") if NAME.fullmatch(path.name)] if folder.is_dir() else []
    return sorted(found, key=lambda path: (step_of(path), path.stat().st_mtime_ns), reverse=True)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()[: 2 * HASHED_BYTES]
