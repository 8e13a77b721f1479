"""Name the rank a run waits for: every rank tells a small store how far it is, and all watch each other.

A rank that hangs takes the others with it into a collective call that does not return; which one it was is then
nowhere to be seen. Here each rank notes what it begins ("loads batch 12", "computes batch 12"), and a thread of its
own sends the note every few seconds. Behind the others and not moving, or silent, is hung. Naming it is all this
does: ending is the collective's own timeout's.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

BEAT_S = 5.0
PHASES = ("loads", "computes", "shares the gradients of")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """How far a rank is, where it runs, and the time of its clock since when."""

    host: str
    process: int
    batch: int
    phase: int
    age_s: float

    @property
    def progress(self) -> tuple[int, int]:
        """What orders notes: later is further."""
        return (self.batch, self.phase)


def hung(notes: dict[int, Note | None], silent_s: dict[int, float], after_s: float) -> list[str]:
    """Say which ranks are hung, from each one's newest note and the time since one last came.

    A rank is hung when it has been silent for `after_s`, or when it has not moved for that long and others are ahead.
    """
    known = [note for note in notes.values() if note is not None]
    furthest = max((note.progress for note in known), default=(0, 0))
    found: list[str] = []
    for rank, note in sorted(notes.items()):
        if note is None:
            continue
        where = f"rank {rank} (process {note.process} on {note.host}) {PHASES[note.phase]} batch {note.batch}"
        if silent_s[rank] >= after_s:
            found.append(f"{where} and has been silent for {silent_s[rank]:.0f} s")
        elif note.age_s >= after_s and note.progress < furthest:
            found.append(f"{where} since {note.age_s:.0f} s, others are ahead")
    return found


class Watchdog(Callback):
    """Note progress, and name who stopped making any; nothing to do for one rank alone."""

    def __init__(self, after_s: float, say: Callable[[str], None] = log.error) -> None:
        """Name a rank when it has not moved for `after_s`; 0 never does."""
        self._after_s, self._say = after_s, say
        self._now = (0, 0, time.monotonic())
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the store on rank 0 and begin to watch."""
        if trainer.world_size == 1 or not self._after_s:
            return
        store = self._open_store(trainer)
        self._end.clear()
        self._thread = threading.Thread(
            target=self._watch, args=(store, trainer.global_rank, trainer.world_size), daemon=True
        )
        self._thread.start()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note that a batch is there."""
        self._now = (batch_idx, 1, time.monotonic())

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Any) -> None:
        """Note that the others are needed now."""
        self._now = (self._now[0], 2, time.monotonic())

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note that the next batch is awaited."""
        self._now = (batch_idx + 1, 0, time.monotonic())

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop watching."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop watching."""
        self._stop()

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
        if self._thread is not None:
            self._thread.join(timeout=BEAT_S)
            self._thread = None

    def _watch(self, store: TCPStore, rank: int, world: int) -> None:
        heard: dict[int, tuple[str, float]] = {}
        named: set[str] = set()
        answered_s = time.monotonic()
        while not self._end.wait(BEAT_S):
            batch, phase, since_s = self._now
            note = Note(
                host=socket.gethostname(),
                process=os.getpid(),
                batch=batch,
                phase=phase,
                age_s=time.monotonic() - since_s,
            )
            try:
                store.set(f"rank-{rank}", json.dumps(asdict(note)))
                notes = {other: self._read(store, other, heard) for other in range(world)}
            except (RuntimeError, ConnectionError):
                if time.monotonic() - answered_s >= self._after_s:
                    self._say(f"the run waits for rank 0, which has been silent for {self._after_s:.0f} s")
                    return
                continue
            answered_s = time.monotonic()
            silent_s = {other: time.monotonic() - heard[other][1] for other in heard}
            for complaint in hung(notes, silent_s, self._after_s):
                who = complaint.partition(")")[0]
                if who not in named:
                    named.add(who)
                    self._say(f"the run waits for {complaint}")

    def _read(self, store: TCPStore, rank: int, heard: dict[int, tuple[str, float]]) -> Note | None:
        key = f"rank-{rank}"
        if not store.check([key]):
            return None
        text = store.get(key).decode()
        if rank not in heard or heard[rank][0] != text:
            heard[rank] = (text, time.monotonic())
        return Note(**json.loads(text))
