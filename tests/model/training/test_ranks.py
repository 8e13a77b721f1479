"""Several processes learn what one would: copies or shards, any number of them, one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch import Callback

from tests.model import ranks
from tests.model.tiny_shards import windows, write_shards
from tests.model.tiny_training import LOADER, OPTIMISATION, TRAINER, Tiny

# Without the alignment's loss, whose mean is a batch's own; twelve rows divide among two, three and four ranks.
PLAN = replace(OPTIMISATION, alignment_weight=0.0, ema_decay=0.5)
ROWS = replace(LOADER, batch_size=12)


class Ledger(Callback):
    """Write down which windows a rank trained on in which step, and the mix that the run says it had."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        line = {"step": trainer.global_step, "windows": batch.segment_ids}
        with (self._folder / f"{trainer.world_size}-{trainer.global_rank}.jsonl").open("a") as file:
            print(json.dumps(line), file=file)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero:
            found = {name: value for name, value in pl_module.seen.items() if name.startswith("mix/")}
            (self._folder / "mix.json").write_text(json.dumps(found))


def train(folder: Path, shards_uri: str, strategy: str, world: int, stop_at: int | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    run = Tiny(
        run_dir=folder,
        shards_uri=shards_uri,
        optimisation=PLAN,
        loader=ROWS,
        trainer=replace(TRAINER, strategy=strategy, devices=world, checkpoint_every=1),
        stop_at=stop_at,
        callbacks=[Ledger(folder)],
    )
    module, _ = run.fit()
    assert module.trainer.global_step == (stop_at or PLAN.max_steps)


def ledger(folder: Path) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for path in folder.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            found.setdefault(entry["step"], []).extend(entry["windows"])
    return {step: sorted(names) for step, names in found.items()}


def mix(folder: Path) -> list[tuple[str, float]]:
    return sorted(json.loads((folder / "mix.json").read_text()).items())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def shards_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows())


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, shards_uri: str) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("alone")
    train(folder, shards_uri, "auto", 1, None)
    yield folder


def check(folder: Path, alone: Path) -> None:
    assert ledger(folder) == ledger(alone)
    mine, theirs = weights(folder), weights(alone)
    assert set(mine) == set(theirs)
    for name, weight in theirs.items():
        torch.testing.assert_close(mine[name], weight, msg=name, rtol=1e-3, atol=3e-5)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_learn_what_one_does(tmp_path: Path, shards_uri: str, alone: Path, strategy: str) -> None:
    assert ranks.join(ranks.start(train, 2, tmp_path, shards_uri, strategy, 2, None)) == [0, 0]
    check(tmp_path, alone)
    assert mix(tmp_path) == mix(alone) != []


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_run_goes_on_with_other_numbers_of_processes(
    tmp_path: Path, shards_uri: str, alone: Path, strategy: str
) -> None:
    for world, stop_at in ((4, 2), (2, 4), (3, None)):
        codes = ranks.join(ranks.start(train, world, tmp_path, shards_uri, strategy, world, stop_at))
        assert codes == [0] * world
    check(tmp_path, alone)
