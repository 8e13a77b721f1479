"""A rank that hangs is named within a minute, with the limits that users have."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.model.tiny_shards import windows, write_shards
from tests.model.training.launched import Launch
from tests.model.training.launching import Run

pytestmark = pytest.mark.slow
WITHIN_S = 60.0
STUCK_STEP = 6


@pytest.mark.parametrize(
    ("world", "rank", "strategy", "how"),
    [
        (2, 1, "ddp", "is stopped"),
        (2, 0, "ddp", "is stopped"),
        (4, 2, "ddp", "is stopped"),
        (4, 0, "fsdp", "is stopped"),
        (2, 1, "fsdp", "reads for ever"),
        (4, 3, "ddp", "reads for ever"),
    ],
)
def test_a_rank_that_hangs_is_named_within_a_minute(
    tmp_path: Path, world: int, rank: int, strategy: str, how: str
) -> None:
    shards_uri = write_shards(tmp_path / "shards", windows())
    launch = Launch(
        folder=str(tmp_path / "run"), shards_uri=shards_uri, strategy=strategy, max_steps=10_000, step_s=0.2,
        stuck_rank=rank if how == "reads for ever" else -1, stuck_step=STUCK_STEP,
    )  # fmt: skip
    run = Run(launch)
    running = run.start(world)
    try:
        run.wait(running, lambda: run.step() >= STUCK_STEP)
        if how == "is stopped":
            os.kill(run.processes()[rank], signal.SIGSTOP)
        since_s = time.monotonic()
        run.wait(running, lambda: "the run waits for" in run.told(), pause_s=0.1)
        named_s = time.monotonic() - since_s
        [line] = set(re.findall(r"the run waits for rank \d+", run.told()))
    finally:
        run.kill(running)
    print(f"{strategy}, {world} ranks, rank {rank} {how}: named after {named_s:.0f} s")
    assert line == f"the run waits for rank {rank}" and named_s < WITHIN_S


def test_a_hung_rank_ends_the_run_when_the_others_have_waited_long_enough(tmp_path: Path) -> None:
    shards_uri = write_shards(tmp_path / "shards", windows())
    run = Run(
        Launch(
            folder=str(tmp_path / "run"), shards_uri=shards_uri, strategy="ddp", max_steps=10_000, step_s=0.2,
            timeout_s=20.0,
        )
    )  # fmt: skip
    running = run.start(2)
    run.wait(running, lambda: run.step() >= 2)
    os.kill(run.processes()[1], signal.SIGSTOP)
    try:
        assert running.wait(timeout=120.0) == 1
    finally:
        run.kill(running)
    assert "Timed out waiting 20000ms" in run.told()
