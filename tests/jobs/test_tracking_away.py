"""A real MLflow server that hangs or is gone for a minute, in the middle of a training, at its start and at its end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.tree import ROOT
from tests.model.tiny_shards import windows, write_shards

pytestmark = pytest.mark.slow
AWAY_S, TIMEOUT_S = 60.0, 300.0
LONGEST_PAUSE_S = 9.0  # of training, while one question to the server takes 10 s or more
# Thousands of steps on some tones: gradients get so small that any is a spike.
SETTINGS = (
    "+experiment=debug", "vocabulary.size=262", "preview.windows=1", "trainer.log_every=10", "trainer.val_every=100",
    "trainer.checkpoint_every=100", "optimisation.guard.spike_factor=0",
)  # fmt: skip


class Server:
    """`mlflow server` on the loopback, with all its processes in one group."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.uri = f"http://127.0.0.1:{found.getsockname()[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        store, port = f"sqlite:///{self.folder}/mlflow.db", self.uri.rpartition(":")[2]
        command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}", "--workers=1"]
        command += [f"--backend-store-uri={store}", f"--artifacts-destination={self.folder}/kept"]
        quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=quiet, stdout=log, stderr=log, start_new_session=True
            )
        wait_for(self._answers, "the server's first answer")

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def end(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / "mlflow.db") as store:
            return store.execute(query).fetchall()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline, f"waited {TIMEOUT_S:.0f} s for {what}"
        time.sleep(0.2)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    made = Server(folder)
    yield made
    made.end()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "runs/debug/metrics.jsonl"


def train(folder: Path, server: Server, max_steps: int) -> subprocess.Popen[str]:
    shards = folder / "artifacts"
    uri = write_shards(shards, windows()) if not shards.exists() else str(next(shards.glob("shard_index/*")))
    command = [sys.executable, str(ROOT / "jobs/train.py"), *SETTINGS, f"optimisation.max_steps={max_steps}"]
    command += [f"tracking.uri={server.uri}", f"data.shards={uri}"]
    mine = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, cwd=folder, env=mine, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def entries(spool: Path) -> list[dict[str, Any]]:
    lines = spool.read_bytes().splitlines(keepends=True) if spool.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def steps(spool: Path) -> int:
    return max((entry["step"] for entry in entries(spool)), default=0)


def num_sent(spool: Path) -> int:
    sent = spool.with_suffix(".sent")
    return int(sent.read_text()) if sent.exists() else 0


def check_that_all_arrived_once(server: Server, spool: Path) -> None:
    """Compare the server's store and files with what training wrote down."""
    reported = {(name, entry["step"]): value for entry in entries(spool) for name, value in entry["metrics"].items()}
    found = server.rows("select key, step, value from metrics")
    assert len(found) == len(reported) > 100
    assert {(name, step): value for name, step, value in found} == reported
    files = [entry for entry in entries(spool) if entry["file"]]
    for entry in files:
        [kept] = (server.folder / "kept").rglob(f"{entry['folder']}/{Path(entry['file']).name}")
        assert kept.read_bytes() == (spool.parents[2] / entry["file"]).read_bytes()
    assert {Path(entry["file"]).suffix for entry in files} == {".json", ".png"}
    assert len(server.rows("select run_uuid from runs")) == 1
    assert ("optimisation.learning_rate", "0.001") in server.rows("select key, value from params")
    assert server.rows("select name, digest from datasets") == [("shards", "0123456789abcdef")]


def check_that_the_best_is_registered(server: Server) -> None:
    [(version,)] = server.rows("select version from registered_model_aliases where alias = 'best'")
    losses = dict(
        server.rows("select version, cast(value as real) from model_version_tags where key = 'held_out_loss'")
    )
    assert losses[version] == min(losses.values()) and len(losses) in (1, 2)
    [(source,)] = server.rows(f"select source from model_versions where version = {version}")
    [note] = (server.folder / "kept").rglob(f"checkpoints/{Path(source).name}")
    assert Path(json.loads(note.read_text())["path"]).exists()


@pytest.mark.parametrize("how", ["hangs", "is gone"])
def test_a_minute_without_the_server_costs_no_number_and_no_time(
    tmp_path: Path, server: Server, spool: Path, how: str
) -> None:
    server.start()
    training = train(tmp_path, server, max_steps=1_000_000)
    wait_for(lambda: num_sent(spool) > 0 and steps(spool) > 100, "the first numbers to arrive")
    if how == "hangs":
        server.signal(signal.SIGSTOP)
    else:
        server.end()
    from_ms = time.time() * 1000
    time.sleep(AWAY_S)
    till_ms, waiting = time.time() * 1000, spool.stat().st_size - num_sent(spool)
    if how == "hangs":
        server.signal(signal.SIGCONT)
    else:
        server.start()
    wait_for(lambda: num_sent(spool) >= spool.stat().st_size - 20_000, "what waited to arrive")
    training.terminate()
    printed, _ = training.communicate(timeout=TIMEOUT_S)
    assert training.returncode == 143, printed
    assert "training goes on, what it reports waits in runs/debug/metrics.jsonl" in printed, printed
    assert "answers again" in printed and "bytes of" not in printed, printed

    check_that_all_arrived_once(server, spool)
    assert server.rows("select status from runs") == [("KILLED",)]
    logged = [entry for entry in entries(spool) if "train/all" in entry["metrics"]]
    inside = [entry for entry in logged if from_ms <= entry["time_ms"] <= till_ms]
    pauses_s = [
        (after["time_ms"] - before["time_ms"]) / 1000 for before, after in zip(inside, inside[1:], strict=False)
    ]
    first, last = logged[0], logged[-1]
    usual = (last["step"] - first["step"]) / (last["time_ms"] - first["time_ms"]) * 1000
    away = (inside[-1]["step"] - inside[0]["step"]) / (inside[-1]["time_ms"] - inside[0]["time_ms"]) * 1000
    print(f"server {how}: {waiting} bytes waited; {away:.1f} steps a second without it, {usual:.1f} in all; "
          f"longest pause of ten steps {max(pauses_s):.1f} s")  # fmt: skip
    assert waiting > 0 and len(inside) > 10 and max(pauses_s) < LONGEST_PAUSE_S
    assert any(entry["file"] for entry in entries(spool) if from_ms <= entry["time_ms"] <= till_ms)


def test_a_training_begins_without_the_server(tmp_path: Path, server: Server, spool: Path) -> None:
    training = train(tmp_path, server, max_steps=2000)
    wait_for(lambda: steps(spool) >= 50, "steps without a server")
    server.start()
    printed, _ = training.communicate(timeout=TIMEOUT_S)
    assert training.returncode == 0, printed
    assert f"tracking.uri {server.uri} does not answer yet" in printed and "answers again" in printed, printed
    assert "bytes of" not in printed, printed
    check_that_all_arrived_once(server, spool)
    check_that_the_best_is_registered(server)
    assert server.rows("select status from runs") == [("FINISHED",)]


def test_a_training_ends_without_the_server_and_the_same_command_sends_the_rest(
    tmp_path: Path, server: Server, spool: Path
) -> None:
    server.start()
    training = train(tmp_path, server, max_steps=300)
    wait_for(lambda: num_sent(spool) > 0 and steps(spool) >= 50, "the first numbers to arrive")
    server.end()
    printed, _ = training.communicate(timeout=TIMEOUT_S)
    assert training.returncode == 0, printed
    assert re.search(r"\d+ bytes of runs/debug/metrics.jsonl wait for http.*; the same command sends them", printed)
    assert server.rows("select status from runs") == [("RUNNING",)]
    server.start()
    for _ in range(2):  # the second time there is nothing left to send
        again, _ = train(tmp_path, server, max_steps=300).communicate(timeout=TIMEOUT_S)
        assert "bytes of" not in again and "last.ckpt" in again, again
        check_that_all_arrived_once(server, spool)
        check_that_the_best_is_registered(server)
        assert server.rows("select status from runs") == [("FINISHED",)]
