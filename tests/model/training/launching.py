"""Tiny trainings on several ranks, started with torchrun as a person starts them, and watched from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.training.trainer import NEW_STORE
from tests.contract.tree import ROOT
from tests.model.training.launched import Launch, command

TIMEOUT_S = 300.0


class Run:
    """A run in a folder, which may be started again and again."""

    def __init__(self, launch: Launch) -> None:
        self.folder = Path(launch.folder)
        self.folder.mkdir()
        self._launch = launch
        self._num_seen = 0

    def start(self, world: int, *options: str, **changes: Any) -> subprocess.Popen[bytes]:
        self.forget()
        mine = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", NEW_STORE: "1"}
        started = command(replace(self._launch, **changes), world, *options)
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(started, env=mine, stdout=log, stderr=log)

    def finish(self, world: int) -> None:
        assert self.start(world).wait(timeout=TIMEOUT_S) == 0, self.told()

    def forget(self) -> None:
        """Count what is written from now on as the newest start's."""
        self._num_seen = len(self.lines())

    def lines(self) -> list[dict[str, Any]]:
        path = self.folder / "ledger.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def step(self) -> int:
        """Return how far the newest start is."""
        return max((line.get("step", 0) for line in self.lines()[self._num_seen :]), default=0)

    def processes(self) -> dict[int, int]:
        """Return the process of each rank of the newest start."""
        return {line["rank"]: line["process"] for line in self.lines()[self._num_seen :] if "step" not in line}

    def wait(self, running: subprocess.Popen[bytes], is_so: Callable[[], bool], pause_s: float = 0.001) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not is_so():
            assert time.monotonic() < deadline and running.poll() is None, self.told()
            time.sleep(pause_s)

    def kill(self, running: subprocess.Popen[bytes]) -> None:
        """End all of it, also ranks that are stopped."""
        for process in (running.pid, *self.processes().values()):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        running.wait()

    def told(self) -> str:
        return (self.folder / "log").read_text()
