"""Killed anywhere, also in the middle of a save and again while it recovers, a run ends with the same bits."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from model.training import saving
from tests.model import ranks
from tests.model.tiny_shards import windows, write_shards
from tests.model.tiny_training import OPTIMISATION, TRAINER, Tiny

PLAN = replace(OPTIMISATION, max_steps=8, ema_decay=0.9, stochastic_depth=0.3)
TOUCHES = ("open", "os.rename", "os.remove", "os.link", "os.symlink")


class Fuse(Callback):
    """Count what a run does to its folder and its batches, and kill the process at one of these points."""

    def __init__(self, folder: Path, kill_at: int) -> None:
        self._folder, self._kill_at = str(folder), kill_at
        self.count = 0

    def burn(self) -> None:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self) -> None:
        write = saving._Hashed.write  # pyright: ignore[reportPrivateUsage]

        def written(file: Any, data: Any) -> int:
            number = write(file, data)
            file.flush()  # what a kill leaves behind is half a file, not an empty one
            self.burn()
            return number

        saving._Hashed.write = written  # type: ignore[method-assign] # pyright: ignore[reportPrivateUsage]
        sys.addaudithook(lambda event, args: self.burn() if self._counts(event, args) else None)

    def _counts(self, event: str, args: Any) -> bool:
        return event in TOUCHES and str(args[0]).startswith(self._folder)

    def on_train_batch_start(self, *_: Any) -> None:
        self.burn()

    def on_train_batch_end(self, *_: Any) -> None:
        self.burn()


def train(folder: Path, shards_uri: str, kill_at: int) -> None:
    fuse = Fuse(folder, kill_at)
    fuse.arm()
    run = Tiny(
        run_dir=folder,
        shards_uri=shards_uri,
        optimisation=PLAN,
        trainer=replace(TRAINER, checkpoint_every=2, val_every=4),
        callbacks=[fuse],
    )
    run.fit()
    (folder / "points").write_text(str(fuse.count))


def content(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoints/last.ckpt", weights_only=True)


def differences(mine: Any, theirs: Any, where: str = "") -> list[str]:
    """Say where two checkpoints differ, in weights, optimiser, schedule or position."""
    if isinstance(theirs, torch.Tensor):
        return [] if torch.equal(mine, theirs) else [where]
    if isinstance(theirs, dict):
        missing = [f"{where}.{key}" for key in theirs if key not in mine]
        return missing + [found for key in theirs if key in mine for found in differences(mine[key], theirs[key], key)]
    if isinstance(theirs, list):
        return [found for one, other in zip(mine, theirs, strict=True) for found in differences(one, other, where)]
    return [] if mine == theirs else [where]


@pytest.fixture(scope="module")
def shards_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, shards_uri: str) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert ranks.join(ranks.start(train, 1, folder, shards_uri, 0)) == [0]
    return folder


def recover(folder: Path, whole: Path, shards_uri: str, kills: list[int]) -> None:
    """Kill a run at each of these points, each time on the way back from the last, then let it end."""
    for kill_at in kills:
        assert ranks.join(ranks.start(train, 1, folder, shards_uri, kill_at)) == [-signal.SIGKILL]
    assert ranks.join(ranks.start(train, 1, folder, shards_uri, 0)) == [0]
    mine, theirs = content(folder), content(whole)
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "SottoData"):
        assert differences(mine[key], theirs[key], key) == [], kills


def points(whole: Path, number: int) -> list[int]:
    total = int((whole / "points").read_text())
    assert total > 100
    return [1 + place * (total - 2) // (number - 1) for place in range(number)]


@pytest.mark.parametrize("part", [0.35, 0.7])
def test_a_killed_run_ends_with_the_same_bits(tmp_path: Path, whole: Path, shards_uri: str, part: float) -> None:
    recover(tmp_path, whole, shards_uri, [int(part * points(whole, 2)[-1])])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(50))
def test_a_run_killed_at_any_point_ends_with_the_same_bits(
    tmp_path: Path, whole: Path, shards_uri: str, number: int
) -> None:
    kill_at = points(whole, 50)[number]
    again = [1 + kill_at % 11] if number % 5 == 0 else []  # every fifth one dies again while it recovers
    recover(tmp_path, whole, shards_uri, [kill_at, *again])
