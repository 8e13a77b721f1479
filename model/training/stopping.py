"""Asked to stop, a run ends its step, saves, and says so: SIGTERM from whoever ends it, SIGUSR1 from SLURM.

Any rank may be asked; all stop after the same step (model/training/module.py lets them agree). A second signal is
the usual death.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from model.training.module import SottoModule

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Stopper(Callback):
    """Take the signals over while training runs."""

    def __init__(self) -> None:
        """Leave them alone until then."""
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen; Lightning's own handlers would talk to other ranks from within a signal, and at every step."""
        assert isinstance(pl_module, SottoModule)
        module = pl_module

        def ask(number: int, _frame: FrameType | None) -> None:
            module.is_asked_to_stop = True
            signal.signal(number, signal.SIG_DFL)

        if threading.current_thread() is threading.main_thread():  # Ray's workers train in another, where none arrive
            for number in SIGNALS:
                self._before[number] = signal.signal(number, ask)
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # pyright: ignore[reportPrivateUsage]

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
