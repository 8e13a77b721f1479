"""Ranks killed at random under torchrun: the run that is started again sees every window once, and learns the same.

Which rank dies, at which step, how long after it began and whether in the middle of a save is drawn from a seed; a
third of the kills take two ranks at once.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.model.tiny_shards import windows, write_shards
from tests.model.training.launched import Launch
from tests.model.training.launching import TIMEOUT_S, Run

pytestmark = pytest.mark.slow
STEPS = 24
STRATEGIES = ("ddp", "fsdp")


@dataclass(frozen=True, kw_only=True)
class Kill:
    """SIGKILL to some ranks, so long after a step began, or in the middle of the first save after it."""

    step: int
    ranks: tuple[int, ...]
    delay_s: float
    in_save: bool


def draw_kills(seed: str, number: int, world: int) -> list[Kill]:
    rng = random.Random(seed)
    return [
        Kill(
            step=turn * (STEPS - 4) // number + rng.randint(1, 4),
            ranks=tuple(rng.sample(range(world), 2 if turn % 3 == 2 else 1)),
            delay_s=rng.uniform(0.0, 0.2),
            in_save=turn % 2 == 1,
        )
        for turn in range(number)
    ]


def run_in(folder: Path, shards_uri: str, strategy: str) -> Run:
    return Run(
        Launch(
            folder=str(folder), shards_uri=shards_uri, strategy=strategy, max_steps=STEPS, step_s=0.05, write_s=0.002
        )
    )


def strike(run: Run, kill: Kill, world: int, running: subprocess.Popen[bytes]) -> None:
    """Kill when it is time."""
    run.wait(running, lambda: run.step() >= kill.step and len(run.processes()) == world)
    time.sleep(kill.delay_s)
    if kill.in_save:
        run.wait(running, (run.folder / "checkpoints/.writing").exists)
    processes = run.processes()
    run.forget()
    for rank in kill.ranks:
        os.kill(processes[rank], signal.SIGKILL)


def trained(run: Run) -> list[tuple[tuple[int, int, int], list[str]]]:
    """Return (step, number of ranks, rank) and the windows of all that was trained, also of what a kill undid."""
    return [((line["step"], line["world"], line["rank"]), line["windows"]) for line in run.lines() if "step" in line]


def ledger(run: Run) -> dict[int, list[str]]:
    """Return the windows of each step; what was trained again, before and after a kill, must be the same."""
    found: dict[tuple[int, int, int], list[str]] = {}
    for key, names in trained(run):
        assert found.setdefault(key, names) == names, key
    steps: dict[int, list[str]] = {}
    for step, world, _ in found:
        names = [name for rank in range(world) for name in found.get((step, world, rank), [])]
        steps[step] = max(sorted(names), steps.get(step, []), key=len)  # a kill may leave a part of a step
    return steps


def weights(run: Run) -> dict[str, torch.Tensor]:
    return torch.load(run.folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def shards_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows())


def compare(mine: Run, whole: Run, what: str, num_kills: int) -> float:
    """Compare ledgers and weights; return the largest difference of a weight."""
    assert ledger(mine) == ledger(whole) and len(ledger(whole)) == STEPS
    ours, theirs = weights(mine), weights(whole)
    assert set(ours) == set(theirs)
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, msg=name, rtol=1e-3, atol=3e-5)
    furthest = max(float((ours[name].float() - weight.float()).abs().max()) for name, weight in theirs.items())
    again = len(trained(mine)) - len({key for key, _ in trained(mine)})
    print(f"{what}: {num_kills} kills, {again} steps of a rank done again, weights differ by {furthest:.1e}")
    return furthest


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("world", "number"), [(2, 4), (4, 3)])
def test_a_run_whose_ranks_are_killed_is_started_again(
    tmp_path: Path, shards_uri: str, strategy: str, world: int, number: int
) -> None:
    whole, mine = (run_in(tmp_path / name, shards_uri, strategy) for name in ("whole", "mine"))
    whole.finish(world)
    for kill in draw_kills(f"{strategy}/{world}", number, world):
        running = mine.start(world)
        strike(mine, kill, world, running)
        assert running.wait(timeout=TIMEOUT_S) == 1
    mine.finish(world)
    # After its first step DDP packs gradients in the order they come; a ring of four then adds them up in another.
    furthest = compare(mine, whole, f"{strategy}, {world} ranks", number)
    assert furthest <= (1e-6 if (strategy, world) == ("ddp", 4) else 0.0)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_torchrun_starts_all_ranks_again_when_some_are_killed(tmp_path: Path, shards_uri: str, strategy: str) -> None:
    whole, mine = (run_in(tmp_path / name, shards_uri, strategy) for name in ("whole", "mine"))
    whole.finish(2)
    kills = draw_kills(f"restarts/{strategy}", 3, 2)
    running = mine.start(2, f"--max-restarts={len(kills)}")
    for kill in kills:
        strike(mine, kill, 2, running)
    assert running.wait(timeout=TIMEOUT_S) == 0
    assert compare(mine, whole, f"{strategy}, 2 ranks under --max-restarts", len(kills)) == 0.0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_goes_on_with_other_numbers_of_ranks_after_kills(tmp_path: Path, shards_uri: str, strategy: str) -> None:
    whole, mine = (run_in(tmp_path / name, shards_uri, strategy) for name in ("whole", "mine"))
    whole.finish(2)
    kills = draw_kills(f"worlds/{strategy}", 2, 2)
    for world, kill in zip((4, 2), kills, strict=True):
        running = mine.start(world)
        strike(mine, kill, world, running)
        assert running.wait(timeout=TIMEOUT_S) == 1
    mine.finish(3)
    compare(mine, whole, f"{strategy}, 4, 2 and 3 ranks", len(kills))
