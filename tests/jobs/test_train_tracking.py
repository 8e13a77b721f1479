"""What a training run leaves in MLflow's own store, through a stop and a resume, and while nobody answers."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from jobs import train
from jobs.tracking.logbook import Logbook
from jobs.tracking.runs import REPORT_TAG, Run, start_run
from jobs.tracking.showing import Report
from jobs.tracking.spool import Away, Entry, Spool, Version
from jobs.training.parts import read_settings
from pipeline.errors import UserError
from tests.contract.test_configs import composed
from tests.model.tiny_shards import windows, write_shards
from tests.model.tiny_training import card

SMALL = (
    "+experiment=debug", "optimisation.max_steps=12", "trainer.val_every=6", "trainer.log_every=2",
    "trainer.checkpoint_every=100", "vocabulary.size=262",
)  # fmt: skip


def rows(root: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(root / "mlflow.db") as store:
        return store.execute(query).fetchall()


def run(root: Path, *overrides: str) -> None:
    config, _ = composed("train", *SMALL, f"tracking.uri=sqlite:///{root}/mlflow.db", *overrides)
    train.main(OmegaConf.create(config))


def test_a_stopped_run_goes_on_in_the_same_mlflow_run_and_leaves_everything_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shards = write_shards(tmp_path / "artifacts", windows())
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with start_run(uri, "ingest", "corpus", {"artifact": {"shard_index": "0123456789abcdef"}}) as ingest:
        pass
    with monkeypatch.context() as patch:
        patch.setattr(
            Report, "on_validation_end", lambda _self, _trainer, module: setattr(module, "is_asked_to_stop", True)
        )
        with pytest.raises(SystemExit) as stopped:
            run(tmp_path, f"data.shards={shards}")
    assert stopped.value.code == train.EXIT_STOPPED
    assert rows(tmp_path, "select status from runs where name = 'debug'") == [("KILLED",)]
    before = rows(tmp_path, "select max(step) from metrics where key = 'train/all'")[0][0]
    assert 6 < before < 12
    run(tmp_path, f"data.shards={shards}")
    assert "stopped at step" in capsys.readouterr().out

    [(run_id, status)] = rows(tmp_path, "select run_uuid, status from runs where name = 'debug'")
    assert status == "FINISHED"
    steps = rows(tmp_path, "select step from metrics where key = 'train/all' order by step")
    assert [step for (step,) in steps] == [2, 4, 6, 8, 10, 12]  # each once, over both processes
    names = {name for (name,) in rows(tmp_path, "select distinct key from metrics")}
    assert {"learning_rate", "grad_norm", "skipped_steps", "speed/data_wait", "speed/padding"} <= names
    assert {"train/transcribe-sw", "held_out/translate-sw", "epochs/detect_language", "mix/transcribe-en"} <= names
    assert {"held_out/wer/transcribe-sw", "system/cpu_percent", "speed/audio_hours_per_device_hour"} <= names
    params = dict(rows(tmp_path, f"select key, value from params where run_uuid = '{run_id}'"))
    assert params["optimisation.learning_rate"] == "0.001" and params["loader.tasks.max_tokens"] == "128"
    assert rows(tmp_path, "select name, digest from datasets") == [("shards", "0123456789abcdef")]
    tags = dict(rows(tmp_path, f"select key, value from tags where run_uuid = '{run_id}'"))
    assert tags[REPORT_TAG] == ingest.run_id
    aliases = dict(rows(tmp_path, "select alias, version from registered_model_aliases"))
    best = dict(rows(tmp_path, "select version, source from model_versions"))[aliases["best"]]
    assert Path(best.removeprefix("file://")).exists()
    kept = (
        tmp_path
        / "mlruns"
        / rows(tmp_path, f"select experiment_id from runs where run_uuid = '{run_id}'")[0][0].__str__()
    )
    table = json.loads(next(kept.rglob("transcripts.json")).read_text())
    assert {row[0] for row in table["data"]} == {6, 12} and len(table["columns"]) == 6
    assert {path.name for path in kept.rglob("*.png")} == {"transcribe-en.png", "transcribe-sw.png", "translate-sw.png"}


def test_a_run_needs_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shards = write_shards(tmp_path / "artifacts", windows())
    run(tmp_path, f"data.shards={shards}", "tracking.uri=null", "optimisation.max_steps=2", "trainer.compile=false")
    assert not (tmp_path / "mlflow.db").exists()
    lines = [json.loads(line) for line in (tmp_path / "runs/debug/metrics.jsonl").read_text().splitlines()]
    assert any("train/all" in line["metrics"] for line in lines)


def test_a_server_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="does not answer.*tracking.uri=null"),
        start_run("http://127.0.0.1:9", "tests", "first", {}),
    ):
        pass


def test_sending_to_nobody_is_known_as_such() -> None:
    entry = Entry(step=1, time_ms=0, metrics={"loss": 1.0})
    with pytest.raises(Away):
        Run(tracking_uri="http://127.0.0.1:9", run_id="none").send([entry])


class Server:
    """Takes what a spool sends, but for the times when it is away."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.got = failures, list[Entry]()
        self.lock = threading.Lock()

    def __call__(self, entries: Sequence[Entry]) -> None:
        with self.lock:
            if self.failures:
                self.failures -= 1
                raise Away("no answer")
            self.got += entries

    def steps(self) -> list[int]:
        return [entry.step for entry in self.got]


def test_nothing_is_lost_while_the_server_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.tracking.spool.WAITS_S", (0.01,))
    server = Server(failures=5)
    spool = Spool(tmp_path / "metrics.jsonl", server)
    for step in range(20):
        spool.add(step, {"loss": float(step)})
    assert spool.close(patience_s=10.0) == 0
    assert server.steps() == list(range(20))


def test_what_waits_when_a_run_ends_is_sent_by_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.tracking.spool.WAITS_S", (0.01,))
    path = tmp_path / "metrics.jsonl"
    away = Spool(path, Server(failures=10**9))
    away.add(1, {"loss": 1.0})
    assert away.close(patience_s=0.1) > 0
    with path.open("a") as file:
        file.write('{"step": 2, "ti')  # killed in the middle of a line
    server = Server()
    spool = Spool(path, server)
    spool.add(1, {"loss": 5.0, "other": 2.0})  # trained again: what is known stays as it was
    spool.add(2, {"loss": 3.0})
    spool.add_file(2, tmp_path / "a.png", "pictures")
    assert spool.close(patience_s=10.0) == 0
    assert [dict(entry.metrics) for entry in server.got] == [{"loss": 1.0}, {"other": 2.0}, {"loss": 3.0}, {}]
    assert server.got[-1].folder == "pictures"


def test_news_do_not_hurry_a_server_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.tracking.spool.WAITS_S", (30.0,))
    server = Server(failures=10**9)
    said: list[str] = []
    spool = Spool(tmp_path / "metrics.jsonl", server, said.append)
    for step in range(50):
        spool.add(step, {"loss": 1.0})
        time.sleep(0.002)
    assert 10**9 - server.failures == 1
    server.failures = 0
    assert spool.close(patience_s=10.0) == 0  # and the end does not wait for 30 s
    assert server.steps() == list(range(50))
    assert [line.split(";")[0] for line in said] == ["tracking: no answer", "tracking: answers again, 1 tries later"]


def test_a_run_without_its_server_trains_and_is_sent_by_the_same_command_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    away = Away("no answer")
    shards = write_shards(tmp_path / "artifacts", windows())
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with monkeypatch.context() as patch:
        patch.setattr("jobs.tracking.logbook.open_run", lambda *_: (_ for _ in ()).throw(away))
        patch.setattr("jobs.tracking.logbook.SERVERS", ("sqlite",))
        patch.setattr("jobs.tracking.logbook.PATIENCE_S", 0.1)
        run(tmp_path, f"data.shards={shards}")
    printed = capsys.readouterr().out
    assert "does not answer yet (no answer); training goes on" in printed
    assert "bytes of runs/debug/metrics.jsonl wait for sqlite" in printed and "the same command sends them" in printed
    assert not (tmp_path / "mlflow.db").exists()

    run(tmp_path, f"data.shards={shards}")
    assert rows(tmp_path, "select status, name from runs") == [("FINISHED", "debug")]
    steps = rows(tmp_path, "select step from metrics where key = 'train/all' order by step")
    assert [step for (step,) in steps] == [2, 4, 6, 8, 10, 12]
    assert ("optimisation.learning_rate", "0.001") in rows(tmp_path, "select key, value from params")
    assert rows(tmp_path, "select name from datasets") == [("shards",)]
    assert len(rows(tmp_path, "select version from model_versions")) == 1
    assert rows(tmp_path, "select alias from registered_model_aliases") == [("best",)]
    assert {path.name for path in (tmp_path / "mlruns").rglob("*.json")} == {"transcripts.json"}
    assert uri == json.loads((tmp_path / "runs/debug/mlflow.json").read_text())["tracking_uri"]


def test_a_place_that_takes_no_runs_is_an_error_before_any_work(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "artifacts", windows())
    config, _ = composed("train", *SMALL, "tracking.uri=mlflow:runs", f"data.shards={shards}")
    settings = read_settings(OmegaConf.create(config))
    with pytest.raises(UserError, match=r"tracking.uri mlflow:runs .*expected a server or store"):
        Logbook(settings, {}, card(shards)).open_now()


def test_a_checkpoint_is_registered_once_and_the_best_one_has_the_alias(tmp_path: Path) -> None:
    """Also where its name has a folder in it, which MLflow does not allow."""
    first, second, better = (
        Version(model="filters/one", checkpoint=str(tmp_path / name), held_out_loss=loss)
        for name, loss in (("last.ckpt", 1.0), ("worse.ckpt", 2.0), ("better.ckpt", 0.5))
    )
    with start_run(f"sqlite:///{tmp_path}/mlflow.db", "study", "filters/one", {}) as started:
        assert [started.register(version) for version in (first, first, second)] == ["1", "1", "2"]
        assert rows(tmp_path, "select alias, version from registered_model_aliases") == [("best", 1)]
        assert started.register(better) == "3"
    assert rows(tmp_path, "select alias, version from registered_model_aliases") == [("best", 3)]
    assert rows(tmp_path, "select name from registered_models") == [("filters-one",)]


def test_a_spool_takes_a_version_once(tmp_path: Path) -> None:
    version = Version(model="one", checkpoint="last.ckpt", held_out_loss=1.0)
    for _ in range(2):
        spool = Spool(tmp_path / "metrics.jsonl", None)
        spool.add_version(3, version)
        spool.add_version(4, version)
        spool.close()
    server = Server()
    assert Spool(tmp_path / "metrics.jsonl", server).close(patience_s=10.0) == 0
    assert [entry.version for entry in server.got] == [version]
