"""What goes wrong in a long run: gradients that are no numbers, spikes, signals, damaged files, ranks that hang."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from model.training import watchdog
from model.training.guard import Guard, GuardOptions, Record
from model.training.saving import KEPT, newest, save, set_aside, step_of
from model.training.trainer import check_restarts
from model.training.watchdog import Note, hung
from pipeline.errors import DataError, UserError
from tests.model import ranks
from tests.model.tiny_shards import windows, write_shards
from tests.model.tiny_training import LOADER, OPTIMISATION, TRAINER, Tiny

PLAN = replace(OPTIMISATION, alignment_weight=0.0)


class Poison(Callback):
    """Make the sound of some steps' batches no numbers, on one rank."""

    def __init__(self, steps: tuple[int, ...], rank: int = 0) -> None:
        self._steps, self._rank = steps, rank

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx in self._steps and trainer.global_rank == self._rank:
            batch.audio_BN.fill_(torch.nan)


class At(Callback):
    """Do something at the start of a step on one rank."""

    def __init__(self, step: int, rank: int, action: Any) -> None:
        self._step, self._rank, self._action = step, rank, action

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == self._step and trainer.global_rank == self._rank:
            self._action()


@pytest.fixture(scope="module")
def shards_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows())


def test_a_step_without_numbers_is_left_out_and_written_down(tmp_path: Path, shards_uri: str) -> None:
    run = Tiny(run_dir=tmp_path, shards_uri=shards_uri, optimisation=PLAN, callbacks=[Poison((2,))])
    module, losses = run.fit()
    assert all(bool(torch.isfinite(weight).all()) for weight in module.state_dict().values())
    [optimizer] = torch.load(run.last, weights_only=True)["optimizer_states"]
    assert {float(state["step"]) for state in optimizer["state"].values()} == {5.0}  # of six, one was left out
    [line] = (tmp_path / "skipped.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert entry["step"] == 2 and len(entry["segment_ids"]) == LOADER.batch_size
    assert losses.logged["skipped_steps"] == 1.0


def test_too_many_skipped_steps_end_the_run(tmp_path: Path, shards_uri: str) -> None:
    plan = replace(PLAN, guard=GuardOptions(max_skipped=1))
    run = Tiny(run_dir=tmp_path, shards_uri=shards_uri, optimisation=plan, callbacks=[Poison((1, 2, 3))])
    with pytest.raises(DataError, match=r"2 of the last 1000 steps were skipped, the last one 2; expected at most 1"):
        run.fit()


def test_a_spike_is_what_is_far_above_the_usual() -> None:
    guard = Guard(GuardOptions(spike_factor=10.0, spike_after=3))
    norms = [2.0, 1.0, 40.0, 0.5, 5.0, 30.0, 1.0, float("inf")]
    verdicts: list[float] = []
    for norm in map(torch.tensor, norms):
        verdict = guard.judge(norm)
        guard.learn(norm, verdict)
        verdicts.append(float(verdict))
    assert verdicts == [0, 0, 0, 0, 0, 1, 0, 1]  # the first ones teach it what is usual
    assert float(guard.num_skipped) == 2


def test_skips_long_ago_are_forgiven() -> None:
    record = Record(GuardOptions(max_skipped=1, window=10))
    for step in (1, 11, 21):
        record.add(step)
    with pytest.raises(DataError, match="2 of the last 10 steps"):
        record.add(22)


def test_a_spike_factor_that_skips_everything_is_refused() -> None:
    with pytest.raises(UserError, match="spike_factor 0.5 would skip usual steps"):
        GuardOptions(spike_factor=0.5)


def test_a_run_that_is_asked_to_stop_saves_and_goes_on_later(tmp_path: Path, shards_uri: str) -> None:
    plan = replace(PLAN, max_steps=12)
    run = Tiny(run_dir=tmp_path, shards_uri=shards_uri, optimisation=plan)
    asked = At(2, 0, lambda: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    stopped, _ = replace(run, callbacks=[asked], trainer=replace(TRAINER, val_every=100)).fit()
    assert signal.getsignal(signal.SIGTERM) == before
    at = stopped.trainer.global_step
    found = newest(tmp_path / "checkpoints")
    assert 2 < at < 12 and found is not None and step_of(found) == at
    through, _ = Tiny(run_dir=tmp_path / "through", shards_uri=shards_uri, optimisation=plan).fit()
    resumed, losses = run.fit()
    assert len(losses.steps) == 12 - at
    for name, weight in through.net.state_dict().items():
        assert torch.equal(resumed.net.state_dict()[name], weight), name


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for step in (1, 2, 3):
        last = save({"global_step": step, "x": torch.ones(10) * step}, tmp_path)
    assert len(list(tmp_path.glob("step-*"))) == KEPT
    assert newest(tmp_path) == last == (tmp_path / "last.ckpt").resolve()
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        found = newest(tmp_path)
    assert found is not None and step_of(found) == 2
    assert "is damaged; going back to the one before" in caplog.text
    found.write_bytes(b"cut")
    assert newest(tmp_path) is None and newest(tmp_path / "none") is None


def test_a_disk_that_loses_bytes_is_noticed_before_the_old_checkpoint_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = save({"global_step": 1}, tmp_path)
    monkeypatch.setattr("model.training.saving._digest", lambda path: "0" * 12)
    with pytest.raises(DataError, match="does not read back as written"):
        save({"global_step": 2}, tmp_path)
    assert first.exists() and (tmp_path / "last.ckpt").resolve() == first


def test_old_checkpoints_are_set_aside_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    assert set_aside(folder) is None
    for number in (1, 2):
        save({"global_step": number}, folder)
        assert set_aside(folder) == tmp_path / f"checkpoints.{number}"


def poisoned(folder: Path, shards_uri: str) -> None:
    trainer = replace(TRAINER, strategy="ddp", devices=2)
    run = Tiny(run_dir=folder, shards_uri=shards_uri, optimisation=PLAN, trainer=trainer)
    module, losses = replace(run, callbacks=[Poison((1,), rank=1)]).fit()
    assert all(bool(torch.isfinite(weight).all()) for weight in module.state_dict().values())
    assert float(module.guard.num_skipped) == 1.0


def test_all_ranks_leave_out_the_step_that_one_of_them_spoils(tmp_path: Path, shards_uri: str) -> None:
    assert ranks.join(ranks.start(poisoned, 2, tmp_path, shards_uri)) == [0, 0]
    [line] = (tmp_path / "skipped.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 1 and len(json.loads(line)["segment_ids"]) == LOADER.batch_size


def hanging(folder: Path, shards_uri: str) -> None:
    watchdog.BEAT_S = 0.2
    logging.basicConfig(filename=folder / f"log-{os.environ['RANK']}", level=logging.ERROR)
    trainer = replace(TRAINER, strategy="ddp", devices=2, hang_after_s=1.0)
    hang = At(2, 1, lambda: time.sleep(4.0))
    Tiny(run_dir=folder, shards_uri=shards_uri, optimisation=PLAN, trainer=trainer, callbacks=[hang]).fit()


def stopping(folder: Path, shards_uri: str) -> None:
    plan = replace(PLAN, max_steps=20)
    trainer = replace(TRAINER, strategy="ddp", devices=2, val_every=100, hang_after_s=0.0)
    ask = At(2, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))  # one of the two is asked, both stop
    run = Tiny(run_dir=folder, shards_uri=shards_uri, optimisation=plan, trainer=trainer, callbacks=[ask])
    module, _ = run.fit()
    assert 2 < module.trainer.global_step < 20


@pytest.mark.slow
def test_ranks_stop_together_when_one_is_asked(tmp_path: Path, shards_uri: str) -> None:
    assert ranks.join(ranks.start(stopping, 2, tmp_path, shards_uri)) == [0, 0]
    assert newest(tmp_path / "checkpoints") is not None


@pytest.mark.slow
def test_a_rank_that_hangs_is_named_by_the_others(tmp_path: Path, shards_uri: str) -> None:
    assert ranks.join(ranks.start(hanging, 2, tmp_path, shards_uri)) == [0, 0]
    text = (tmp_path / "log-0").read_text()
    assert "the run waits for rank 1 (process" in text and "which loads batch 2 since" in text


def test_restarts_that_would_hang_are_refused() -> None:
    told = {"TORCHELASTIC_MAX_RESTARTS": "3", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    with pytest.raises(UserError, match="--max-restarts=3 hangs .*; run TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 torchrun"):
        check_restarts(told)
    check_restarts(told | {"TORCHELASTIC_MAX_RESTARTS": "0"})
    check_restarts(told | {"TORCHELASTIC_USE_AGENT_STORE": "False"})
    check_restarts({})


def note(progress: float, age_s: float) -> Note:
    return Note(host="a", process=7, progress=progress, doing="loads batch 5", age_s=age_s)


@pytest.mark.parametrize(
    ("notes", "silent_s", "named"),
    [
        ({0: note(6, 50), 1: note(5, 50)}, {0: 1, 1: 1}, ["rank 1 (process 7 on a), which loads batch 5 since 50 s"]),
        ({0: note(6, 50), 1: note(6.5, 50)}, {0: 1, 1: 1}, ["rank 0 (process 7 on a), which loads batch 5 since 50 s"]),
        (
            {0: note(6, 50), 1: note(6, 50)},
            {0: 1, 1: 60},
            ["rank 1 (process 7 on a), which loads batch 5 and"],
        ),
        ({0: note(5, 90), 1: note(5, 90)}, {0: 1, 1: 1}, []),  # all wait alike: the first batch is compiled
        ({0: note(6, 9), 1: note(5, 9)}, {0: 1, 1: 1}, []),
        ({0: note(6, 50), 1: None}, {0: 1, 1: 5}, []),
        ({0: note(6, 50), 1: None}, {0: 1, 1: 46}, ["rank 1, which has been silent for 46 s"]),
    ],
)
def test_who_is_behind_or_silent_is_hung(notes: Any, silent_s: Any, named: list[str]) -> None:
    found = hung(notes, silent_s, after_s=45.0)
    assert len(found) == len(named)
    assert all(complaint.startswith(begin) for complaint, begin in zip(found, named, strict=True))
