"""One command each: torchrun on one host and on two, SLURM's script, and Ray; all end with the same weights.

The two hosts are network namespaces, which take root to make. srun and scontrol are stand-ins that do what the script
needs of them: start tasks with their ranks in the environment, and note that the job is to be queued again.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from model.training.saving import newest
from tests.contract.tree import ROOT
from tests.model.tiny_shards import windows, write_shards

pytestmark = pytest.mark.slow
TIMEOUT_S = 600
SETTINGS = (
    "+experiment=debug", "vocabulary.size=262", "optimisation.max_steps=6", "trainer.val_every=3", "tracking.uri=null",
    "trainer.strategy=ddp", "preview.windows=1",
)  # fmt: skip
SRUN = """#!/usr/bin/env bash
shift  # --kill-on-bad-exit
for task in 0 1; do
  SLURM_PROCID=$task SLURM_LOCALID=$task SLURM_NODEID=0 "$@" &
  pids+=($!)
done
echo "${pids[@]}" > "$NOTES/pids"
code=0
for pid in "${pids[@]}"; do wait "$pid" || code=$?; done
exit $code
"""
SCONTROL = '#!/usr/bin/env bash\necho "$@" >> "$NOTES/scontrol"\n'


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows())


def environment(**more: str) -> dict[str, str]:
    mine = {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return os.environ | mine | more


def torchrun(*options: str, settings: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", *options, str(ROOT / "jobs/train.py"), *SETTINGS, *settings]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "runs/debug/checkpoints/last.ckpt", weights_only=True)["state_dict"]


def same(mine: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return set(mine) == set(theirs) and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.fixture(scope="module")
def one_host(tmp_path_factory: pytest.TempPathFactory, shards: str) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("one")
    command = torchrun("--standalone", "--nproc-per-node=2", settings=("trainer.devices=2", f"data.shards={shards}"))
    subprocess.run(command, cwd=folder, env=environment(), check=True, timeout=TIMEOUT_S)
    return weights(folder)


def test_slurms_script_trains_is_asked_to_stop_and_goes_on(
    tmp_path: Path, shards: str, one_host: dict[str, torch.Tensor]
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    slurm = environment(
        NOTES=str(tmp_path), SLURM_JOB_ID="71234", SLURM_NNODES="1", SLURM_NTASKS="2", SLURM_NTASKS_PER_NODE="2",
        SLURM_JOB_NODELIST="127.0.0.1", SLURM_NODELIST="127.0.0.1", SLURM_JOB_NAME="train",
        SLURM_SUBMIT_DIR=str(tmp_path),
    )  # fmt: skip
    slurm["PATH"] = f"{tools}:{slurm['PATH']}"
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    many = [setting for setting in SETTINGS if "max_steps" not in setting]
    script = [str(ROOT / "conf/cluster/train.slurm.sh"), *many, f"data.shards={shards}"]
    long = [
        *script,
        "name=long",
        "optimisation.max_steps=2000",
        "trainer.checkpoint_every=1000",
        "trainer.val_every=2000",
    ]
    job = subprocess.Popen(long, cwd=tmp_path, env=slurm, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + TIMEOUT_S
    while not (tmp_path / "runs/long/metrics.jsonl").exists() or not (tmp_path / "runs/long/metrics.jsonl").read_text():
        assert time.monotonic() < deadline and job.poll() is None
        time.sleep(0.5)
    for pid in (tmp_path / "pids").read_text().split():  # as --signal=USR1@120 does
        os.kill(int(pid), signal.SIGUSR1)
    printed, _ = job.communicate(timeout=TIMEOUT_S)
    assert "stopped at step" in printed and job.returncode == 0
    assert (tmp_path / "scontrol").read_text() == "requeue 71234\n"
    assert newest(tmp_path / "runs/long/checkpoints") is not None

    short = [*script, "optimisation.max_steps=6"]
    subprocess.run(short, cwd=tmp_path, env=slurm, check=True, timeout=TIMEOUT_S)
    assert same(weights(tmp_path), one_host)


@pytest.fixture
def hosts() -> Iterator[dict[str, str]]:
    """Two hosts on a network of their own: name and address."""
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("making network namespaces takes root and iproute2")
    names, link = ("sotto-a", "sotto-b"), ("veth-a", "veth-b")
    addresses = {name: f"10.77.0.{number}" for number, name in enumerate(names, start=1)}
    for name in names:
        ip("netns", "add", name)
    ip("link", "add", link[0], "type", "veth", "peer", "name", link[1])
    for name, end in zip(names, link, strict=True):
        ip("link", "set", end, "netns", name)
        ip("-n", name, "addr", "add", f"{addresses[name]}/24", "dev", end)
        ip("-n", name, "link", "set", end, "up")
        ip("-n", name, "link", "set", "lo", "up")
    yield addresses
    for name in names:
        ip("netns", "delete", name)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def test_two_hosts_learn_what_one_does(
    tmp_path: Path, shards: str, hosts: dict[str, str], one_host: dict[str, torch.Tensor]
) -> None:
    first = next(iter(hosts.values()))
    running: list[subprocess.Popen[bytes]] = []
    for rank, name in enumerate(hosts):
        options = (
            "--nnodes=2",
            "--nproc-per-node=1",
            f"--node-rank={rank}",
            f"--master-addr={first}",
            "--master-port=29411",
        )
        command = torchrun(*options, settings=("trainer.num_nodes=2", "trainer.devices=1", f"data.shards={shards}"))
        interface = environment(GLOO_SOCKET_IFNAME=f"veth-{name[-1]}")
        running.append(subprocess.Popen(["ip", "netns", "exec", name, *command], cwd=tmp_path, env=interface))
    assert [process.wait(timeout=TIMEOUT_S) for process in running] == [0, 0]
    assert same(weights(tmp_path), one_host)


def test_ray_starts_the_same_training(tmp_path: Path, shards: str, one_host: dict[str, torch.Tensor]) -> None:
    command = [sys.executable, str(ROOT / "jobs/ray_train.py"), *SETTINGS, f"data.shards={shards}"]
    quiet = environment(RAY_USAGE_STATS_ENABLED="0")
    subprocess.run(command, cwd=tmp_path, env=quiet, check=True, timeout=TIMEOUT_S)
    assert same(weights(tmp_path), one_host)
