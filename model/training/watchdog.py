"""Name the rank a run waits for: every rank tells a small store how far it is, and the first and the last one look.

A rank that hangs takes the others with it into a collective call that does not return; which one it was is then
nowhere to be seen. Here each rank notes what it begins ("loads batch 12", "computes batch 12"), and a thread of its
own sends the note every few seconds. Behind the others and not moving, or silent, is who the run waits for. Naming
it is all this does: ending is the collective's own timeout's.

The store is in the first rank's process. When that one is stopped, asking it takes for ever: another thread says so.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

BEAT_S = 5.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """How far a rank is, as the number of things it began; what it does, where, and since when by its own clock."""

    host: str
    process: int
    progress: float
    doing: str
    age_s: float


def hung(notes: dict[int, Note | None], silent_s: dict[int, float], after_s: float) -> list[str]:
    """Say which ranks a run waits for, from each one's newest note and the time since one last came.

    It waits for one that has been silent for `after_s`, or that has not moved for that long while others are ahead.
    """
    furthest = max((note.progress for note in notes.values() if note is not None), default=0)
    found: list[str] = []
    for rank, note in sorted(notes.items()):
        silence = f"has been silent for {silent_s[rank]:.0f} s"
        if note is None:
            found += [f"rank {rank}, which {silence}"] if silent_s[rank] >= after_s else []
            continue
        where = f"rank {rank} (process {note.process} on {note.host}), which {note.doing}"
        if silent_s[rank] >= after_s:
            found.append(f"{where} and {silence}")
        elif note.age_s >= after_s and note.progress < furthest:
            found.append(f"{where} since {note.age_s:.0f} s, others are ahead")
    return found


class Watchdog(Callback):
    """Note progress, and name who stopped making any; nothing to do for one rank alone.

    It stands behind all other callbacks: what they do in a hook is noted as what the last hook began.
    """

    def __init__(self, after_s: float, say: Callable[[str], None] = log.error) -> None:
        """Name a rank when it has not moved for `after_s`; 0 never does."""
        self._after_s, self._say = after_s, say
        self._now = (0.0, "starts", time.monotonic())
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []
        self._answered_s = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the store on rank 0 and begin to watch."""
        if trainer.world_size == 1 or not self._after_s:
            return
        store = self._open_store(trainer)
        self._end.clear()
        self._begin("loads the first batch")
        self._answered_s = time.monotonic()
        rank, world = trainer.global_rank, trainer.world_size
        self._threads = [threading.Thread(target=self._watch, args=(store, rank, world), daemon=True)]
        if rank == world - 1:
            self._threads.append(threading.Thread(target=self._watch_store, daemon=True))
        for thread in self._threads:
            thread.start()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note that a batch is there."""
        self._begin(f"computes batch {batch_idx}")

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Any) -> None:
        """Note that the others are needed now."""
        self._begin(f"shares the gradients of step {trainer.global_step}")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note that the next batch is awaited."""
        self._begin(f"loads batch {batch_idx + 1}")

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note that rank 0 writes, and that the others have nothing left to do until it has."""
        self._begin(f"saves step {trainer.global_step}", ahead=0.0 if trainer.is_global_zero else 0.5)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that held-out batches are awaited."""
        self._begin("loads held-out batch 0")

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Note that a held-out batch is there."""
        self._begin(f"computes held-out batch {batch_idx}")

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note that the next held-out batch is awaited."""
        self._begin(f"loads held-out batch {batch_idx + 1}")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that what was held out is reported on, by rank 0 more than by others."""
        self._begin(f"reports on step {trainer.global_step}")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that training goes on."""
        self._begin("loads the next batch")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop watching."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop watching."""
        self._stop()

    def _begin(self, doing: str, ahead: float = 0.0) -> None:
        self._now = (int(self._now[0]) + 1 + ahead, doing, time.monotonic())

    def _open_store(self, trainer: Trainer) -> TCPStore:
        host = os.environ.get("MASTER_ADDR", "127.0.0.1")
        is_first = trainer.is_global_zero
        store = TCPStore(host, 0, is_master=True, wait_for_workers=False) if is_first else None
        port = trainer.strategy.broadcast(store.port if store else 0)
        store = store or TCPStore(host, int(port), is_master=False)
        store.set_timeout(timedelta(seconds=BEAT_S))
        return store

    def _stop(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(timeout=BEAT_S)
        self._threads = []

    def _watch(self, store: TCPStore, rank: int, world: int) -> None:
        """Send this rank's notes; the first rank and the last one read those of all."""
        started_s = time.monotonic()
        heard: dict[int, tuple[str, float]] = dict.fromkeys(range(world), ("", started_s))
        named: set[str] = set()
        is_over = False
        while not is_over:
            progress, doing, since_s = self._now
            age_s = time.monotonic() - since_s
            note = Note(host=socket.gethostname(), process=os.getpid(), progress=progress, doing=doing, age_s=age_s)
            with suppress(RuntimeError, ConnectionError):  # rank 0 is gone: its end is what is reported
                store.set(f"rank-{rank}", json.dumps(asdict(note)))
                if rank in (0, world - 1):
                    notes = {other: self._read(store, other, heard) for other in range(world)}
                    silent_s = {other: time.monotonic() - heard[other][1] for other in heard}
                    self._name(hung(notes, silent_s, self._after_s), named)
                self._answered_s = time.monotonic()
            is_over = self._end.wait(BEAT_S)

    def _name(self, complaints: list[str], named: set[str]) -> None:
        for complaint in complaints:
            who = complaint.partition(",")[0]
            if who not in named:
                named.add(who)
                self._say(f"the run waits for {complaint}")

    def _watch_store(self) -> None:
        """Say that rank 0 is silent when nothing it was asked for came back."""
        while not self._end.wait(BEAT_S):
            silent_s = time.monotonic() - self._answered_s
            if silent_s >= self._after_s:
                self._say(f"the run waits for rank 0, which has been silent for {silent_s:.0f} s")
                return

    def _read(self, store: TCPStore, rank: int, heard: dict[int, tuple[str, float]]) -> Note | None:
        """Return a rank's newest note, and remember when another one came."""
        key = f"rank-{rank}"
        if not store.check([key]):
            return None
        text = store.get(key).decode()
        if heard[rank][0] != text:
            heard[rank] = (text, time.monotonic())
        return Note(**json.loads(text))
