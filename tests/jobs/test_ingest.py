"""The whole line on the embedded corpus: it adds up, a second run does nothing, and a kill changes no byte."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
# Artifacts whose receipts show how far a run has come, from early to late.
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
KILL_AT = (("recording", 1), ("segment", 1), ("speech", 1), ("decision", 1), ("shard_index", 1), ("shard_index", 4))


def command(data: Path, *overrides: str) -> list[str]:
    settings = (f"data_root={data}", f"tracking.uri=sqlite:///{data}/mlflow.db", *overrides)
    small = () if any(override.startswith("source=") for override in overrides) else ("embedded.scale=0.03",)
    return [sys.executable, "jobs/ingest.py", *settings, *small]


def ingest(data: Path, *overrides: str) -> str:
    done = subprocess.run(command(data, *overrides), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def shards(data: Path) -> dict[str, str]:
    tars = sorted((data / "artifacts" / "shard_index").glob("*/**/*.tar"))
    assert tars
    return {str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest() for path in tars}


def num_receipts(data: Path, name: str) -> int:
    return len(list((data / "artifacts" / name).glob("*/_receipts/*.json")))


def kill_when(data: Path, name: str, count: int, overrides: Sequence[str]) -> None:
    """Start an ingest and kill it, workers and all, once so many units of an output are published."""
    with subprocess.Popen(command(data, *overrides), cwd=ROOT, **QUIET) as process:
        deadline = time.monotonic() + 120
        while num_receipts(data, name) < count and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        assert time.monotonic() < deadline, f"{name} never had {count} units"
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    data = tmp_path_factory.mktemp("ingest") / "data"
    yield data, ingest(data)


def test_the_funnel_adds_up_and_names_where_things_are(finished: tuple[Path, str]) -> None:
    data, summary = finished
    assert re.search(r"are kept \(\d", summary)
    assert re.search(r"shards  \S+shard_index/\w+  \(\d+ tars", summary)
    assert list((data / "reports").glob("*/report.html"))
    assert (data / "latest" / "shards.json").exists()


def test_a_second_run_does_nothing_and_says_the_same(finished: tuple[Path, str]) -> None:
    data, summary = finished
    before = {path: path.stat().st_mtime_ns for path in (data / "artifacts").rglob("*") if path.is_file()}
    assert ingest(data) == summary
    assert before == {path: path.stat().st_mtime_ns for path in (data / "artifacts").rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["explore_corpus", "mixture_and_hours"])
def test_a_notebook_runs_on_what_ingest_leaves(finished: tuple[Path, str], name: str) -> None:
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(finished[0].parent)}}).execute()


def test_explain_says_that_all_is_done(finished: tuple[Path, str]) -> None:
    lines = ingest(finished[0], "explain=true").splitlines()
    assert {line.split()[0] for line in lines} >= {"found", "candidate", "recording", "tombstone", "ledger", "decision"}
    assert all(line.endswith("done") for line in lines)


def test_the_serial_executor_gives_the_bytes_that_ray_gives_after_kills_at_every_stage(
    finished: tuple[Path, str], tmp_path: Path
) -> None:
    for name, count in KILL_AT:
        kill_when(tmp_path, name, count, ["executor.kind=serial"])
    ingest(tmp_path, "executor.kind=serial")
    assert shards(tmp_path) == shards(finished[0])


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [4.0, 5.5, 7.0, 8.5, 10.0, 12.0, 14.0, 17.0])
def test_a_ray_run_killed_at_any_second_ends_in_the_same_bytes(
    finished: tuple[Path, str], tmp_path: Path, delay_s: float
) -> None:
    with subprocess.Popen(command(tmp_path), cwd=ROOT, **QUIET) as process:
        time.sleep(delay_s)
        os.killpg(process.pid, signal.SIGKILL)
    ingest(tmp_path)
    assert shards(tmp_path) == shards(finished[0])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "fetch.max_durations_ms=1",
            "setting 'fetch.max_durations_ms' does not exist; .* did you mean 'fetch.max_duration_ms'",
        ),
        ("+fetch.max_durations_ms=1", "'max_durations_ms' does not exist; .* did you mean 'max_duration_ms'"),
        ("source=folder", "source.root"),
        ("executor.kind=rya", "did you mean 'ray'"),
        ("source._target_=os.system", "is not allowed; expected one under"),
    ],
)
def test_a_mistake_in_the_settings_is_one_line_before_any_work(tmp_path: Path, override: str, message: str) -> None:
    done = subprocess.run(command(tmp_path, override), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "artifacts").exists()
