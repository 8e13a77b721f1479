"""A machine of the cluster dies in the middle of an ingest: the run ends right, with the bytes of one undisturbed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.jobs.ray_nodes import Nodes, nodes

ROOT = Path(__file__).parents[2]
WAIT_S = 600


def command(data: Path) -> list[str]:
    settings = (
        f"data_root={data}",
        f"tracking.uri=sqlite:///{data}/mlflow.db",
        "embedded.scale=0.05",
        "source.candidates_per_unit=3",
    )
    return [sys.executable, "jobs/ingest.py", "log=plain", *settings]


def shards(data: Path) -> dict[str, str]:
    tars = sorted((data / "artifacts" / "shard_index").glob("*/**/*.tar"))
    return {str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest() for path in tars}


def rows(data: Path) -> Mapping[str, list[str]]:
    """Hash the rows of every part of every artifact, without the times of the run."""
    made = json.loads((data / "latest" / "report.json").read_text())["artifacts"]
    manifests = {name: data / "artifacts" / name / value / "_MANIFEST.json" for name, value in made.items()}
    return {
        name: [part["content"] for part in json.loads(path.read_text())["parts"]] for name, path in manifests.items()
    }


def num_receipts(data: Path, name: str) -> int:
    return len(list((data / "artifacts" / name).glob("*/_receipts/*.json")))


def kill_node_at(cluster: Nodes, data: Path, stage: str, log: Path) -> int:
    """Ingest on the cluster; when a unit of a stage is published, kill the worker's machine. Returns what died."""
    with log.open("w") as out:
        ingest = subprocess.Popen(
            command(data),
            cwd=ROOT,
            env=cluster.environment | {"RAY_ADDRESS": cluster.address},
            stdout=out,
            stderr=out,
        )
        deadline = time.monotonic() + WAIT_S
        while num_receipts(data, stage) < 1:
            assert ingest.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.005)
        num_killed = cluster.kill("worker")
        assert ingest.wait(WAIT_S) == 0, log.read_text()[-3000:]
    return num_killed


@pytest.mark.slow
def test_a_machine_that_dies_in_the_middle_changes_no_byte(tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    alone = os.environ | {"RAY_ADDRESS": ""}
    subprocess.run(
        [*command(undisturbed), "executor.kind=serial"], cwd=ROOT, env=alone, check=True, capture_output=True
    )
    for stage in ("recording", "speech", "shard_index"):
        data = tmp_path / stage
        shutil.copytree(undisturbed / "embedded", data / "embedded")  # with the files' times: the server tells them
        with nodes(tmp_path) as cluster:
            cluster.start("head")
            cluster.start("worker")
            start_s = time.monotonic()
            num_killed = kill_node_at(cluster, data, stage, tmp_path / f"{stage}.log")
            print(
                f"\nworker killed ({num_killed} processes) when the first unit of {stage} was there: ended in "
                f"{time.monotonic() - start_s:.0f} s, {len(shards(data))} shards, "
                f"{sum(map(len, rows(data).values()))} parts, all equal",
                flush=True,
            )
        assert shards(data) == shards(undisturbed)
        assert rows(data) == rows(undisturbed)
