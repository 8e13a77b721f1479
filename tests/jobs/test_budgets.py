"""The turns at sites are one for all units, in this process and over a cluster."""

from __future__ import annotations

import asyncio
import pickle
import time
from pathlib import Path

import pytest

from jobs.running.executor import ExecutorConfig, make_executor
from pipeline.artifact import Artifact
from pipeline.fetch.pace import Budgets, Visit
from pipeline.stage import Stage, Unit

PAUSE_S = 0.1


class Guest:
    """A task that enters a site and notes from when to when it was there."""

    def __init__(self, budgets: Budgets, folder: Path) -> None:
        self.budgets = budgets
        self.folder = folder

    def __call__(self, unit: Unit) -> int:
        asyncio.run(self.visit(unit.index))
        return 1

    async def visit(self, number: int) -> None:
        visit = Visit("site.test")
        assert await self.budgets.enter(visit, 30.0, 60.0) == 0
        entered_s = time.time()
        await asyncio.sleep(0.05)
        await self.budgets.keep(visit, 30.0)
        (self.folder / str(number)).write_text(f"{entered_s} {time.time()}")
        await self.budgets.leave(visit, PAUSE_S)


def unit(number: int, folder: Path) -> Unit:
    stage = Stage(name="visit", reads={}, outputs=(), run=lambda *_: {}, conserve=lambda *_: None)
    place = Artifact(root_uri=str(folder), name="visit", fingerprint="0")
    return Unit(stage=stage, index=number, inputs={}, outputs={"visit": place}, keys={}, blobs_uri=str(folder))


@pytest.mark.parametrize("kind", ["serial", pytest.param("ray", marks=pytest.mark.slow)])
def test_units_enter_a_site_one_at_a_time_and_keep_its_pause(kind: str, tmp_path: Path) -> None:
    with make_executor(ExecutorConfig(kind=kind, address=None, num_cpus=2, units_in_flight=4)) as executor:
        budgets = executor.budgets()
        done = list(executor.run(Guest(budgets, tmp_path), [unit(number, tmp_path) for number in range(4)]))
        assert [one.error for one in done] == [None] * 4
    visits = sorted(tuple(map(float, path.read_text().split())) for path in tmp_path.iterdir())
    gaps = [later[0] - earlier[1] for earlier, later in zip(visits, visits[1:], strict=False)]
    assert len(visits) == 4
    assert min(gaps) >= PAUSE_S * 0.95


def test_the_turns_of_a_cluster_are_found_by_name_wherever_they_are_sent() -> None:
    budgets = make_executor(ExecutorConfig(kind="ray", address=None, num_cpus=1, units_in_flight=1)).budgets()
    assert pickle.loads(pickle.dumps(budgets)) == budgets
