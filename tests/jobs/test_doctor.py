"""The doctor finds what is planted, says what to do, and lets what is well alone."""

from __future__ import annotations

import http.server
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.health.finding import BAD, NOTE, OK, Finding, lines
from jobs.health.machine import clock, machine, memory, space, sync_speed
from jobs.health.services import mlflow_binding, mlflow_store, object_store, ray_path, ray_security
from jobs.health.software import missing_codecs, pinned, software


def test_lines_count_what_is_in_the_way() -> None:
    found = [Finding(name="disk", seen="1 GiB", state=BAD, advice="free some"), Finding(name="cores", seen="2")]
    assert lines(found) == [
        "BAD   disk          1 GiB",
        "                    -> free some",
        "ok    cores         2",
        "",
        "1 of 2 things are in the way, 0 worth knowing",
    ]


def test_packages_are_compared_with_their_pins() -> None:
    assert pinned({"torch": "2.13.0", "uv": "1"}, {"torch": "2.13.0+cpu"}).state == OK
    wrong = pinned({"ray": "2.60.0", "av": "18.1.0"}, {"ray": "2.59.0", "av": "18.1.0"})
    assert (wrong.state, wrong.seen) == (BAD, "1 of 2 are not the pinned version: ray 2.59.0") and wrong.advice


def test_a_codec_that_is_missing_is_named() -> None:
    assert missing_codecs(["mp3", "opus"], ["mp3"]).seen == "PyAV cannot decode opus"
    assert missing_codecs(["mp3"], ["mp3", "aac"]).state == OK


def test_this_environment_is_as_it_should_be() -> None:
    assert [found.seen for found in software() if found.state == BAD] == []


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (space(5 * 2**30, 10, Path("data")), BAD),
        (space(50 * 2**30, 10, Path("data")), OK),
        (sync_speed(0.2), NOTE),
        (sync_speed(0.004), OK),
        (clock(-30.0), NOTE),
        (clock(0.1), OK),
    ],
)
def test_limits_of_a_machine(found: Finding, state: str) -> None:
    assert found.state == state and bool(found.advice) == (state != OK)


def test_memory_is_what_is_available_not_what_is_free(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\n")
    assert memory(4.0, meminfo).seen == "4.0 of 8.0 GiB available"
    assert memory(5.0, meminfo).state == NOTE
    assert memory(5.0, tmp_path / "none").state == OK


def test_a_folder_that_is_not_there_yet_is_judged_by_the_one_it_will_be_in(tmp_path: Path) -> None:
    found = {item.name: item for item in machine(f"{tmp_path}/a/b", 0.001, 0.001)}
    assert found["write"].seen == f"{tmp_path} can be written" and not list(tmp_path.iterdir())
    assert not {"write", "disk"} & {item.name for item in machine("s3://bucket/a", 1, 1)}


def test_a_place_that_cannot_be_written_is_in_the_way() -> None:
    assert {item.name: item.state for item in machine("/proc/self", 0.0, 0.001)}["write"] == BAD


def test_a_store_of_runs_is_a_database(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    assert mlflow_store(f"sqlite:///{path}").state == OK
    path.write_bytes(b"no database" * 100)
    assert "file is not a database" in mlflow_store(f"sqlite:///{path}").seen
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("create table runs (run_uuid text)")
    assert mlflow_store(f"sqlite:///{path}").seen.endswith("holds 0 runs")
    assert mlflow_store("file:mlruns").advice.startswith("MLflow 3.17 refuses a folder")


@pytest.fixture
def answering() -> Iterator[int]:
    """Serve 200 to everything on every loopback address."""

    class Yes(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Yes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_an_mlflow_that_others_reach_is_in_the_way(answering: int) -> None:
    assert mlflow_binding(answering, ["127.0.0.2"]).state == BAD
    assert "for this machine only" in mlflow_binding(answering, []).seen
    assert mlflow_store(f"http://127.0.0.1:{answering}").state == OK


def test_a_dashboard_that_asks_for_no_token_is_in_the_way(answering: int, tmp_path: Path) -> None:
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("secret")
    token.chmod(0o644)
    open_to_all, dashboard = ray_security({}, tmp_path, f"http://127.0.0.1:{answering}")
    assert (open_to_all.state, dashboard.state) == (NOTE, BAD) and open_to_all.advice == f"chmod 600 {token}"
    token.chmod(0o600)
    [unset] = ray_security({}, tmp_path, "http://127.0.0.1:9")
    assert "export RAY_AUTH_MODE=token" in unset.advice
    assert ray_security({"RAY_AUTH_MODE": "token"}, tmp_path, "http://127.0.0.1:9")[0].state == OK
    assert "none at" in ray_security({}, tmp_path / "other", "http://127.0.0.1:9")[0].seen
    assert ray_security({"RAY_AUTH_TOKEN": "x"}, tmp_path / "other", "http://127.0.0.1:9")[0].state == OK


def test_another_python_on_the_path_is_worth_knowing(tmp_path: Path) -> None:
    assert ray_path({"PATH": str(tmp_path)}).state == NOTE


def test_an_object_store_is_tried(bucket: str) -> None:
    assert object_store(bucket).state == OK
    assert object_store("s3://no-such-bucket/data").state == BAD
