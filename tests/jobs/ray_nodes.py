"""Nodes of a Ray cluster on this machine, each a process tree that can be killed like a machine that loses power."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

START_S = 90
STORE_BYTES = 100 * 2**20


class Nodes:
    """A head and what joins it. One core each, a token of its own, no dashboard."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sockets = tempfile.TemporaryDirectory(prefix="ray-")  # a socket's path has room for 107 bytes
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.address = f"127.0.0.1:{_free_port()}"
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.environment = os.environ | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def start(self, name: str) -> None:
        """Start a node, the head first, and wait until the cluster counts it."""
        head = ["--head", f"--port={self.address.rpartition(':')[2]}", "--include-dashboard=false"]
        how = [f"--address={self.address}"] if self._processes else [*head, f"--temp-dir={self._sockets.name}"]
        limits = ["--num-cpus=1", f"--object-store-memory={STORE_BYTES}", f"--memory={2**30}"]
        # The class of the command line, not the script: its first line may name another machine's python.
        start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [*start, *how, *limits], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_S
        while self.num_alive() < len(self._processes):
            assert time.monotonic() < deadline, (self._folder / f"{name}.log").read_text()[-2000:]
            time.sleep(0.5)

    def num_alive(self) -> int:
        """Count the nodes the head believes alive."""
        code = (
            "import ray, sys; ray.init(address=sys.argv[1], logging_level='ERROR', log_to_driver=False); "
            "print(sum(node['Alive'] for node in ray.nodes()))"
        )
        asked = [sys.executable, "-c", code, self.address]
        done = subprocess.run(asked, env=self.environment, capture_output=True, text=True, check=False)
        return int(done.stdout) if done.returncode == 0 else 0

    def kill(self, name: str) -> int:
        """Kill a node with everything it started, at once and without a word; returns how many processes died."""
        process = self._processes.pop(name)
        tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in tree:
            _kill(member.pid)
        process.wait()
        return len(tree)

    def kill_all(self) -> None:
        """Kill what is left, the head last."""
        for name in reversed(list(self._processes)):
            self.kill(name)
        self._sockets.cleanup()


@contextmanager
def nodes(folder: Path) -> Iterator[Nodes]:
    """Give a cluster without nodes, and leave none behind."""
    cluster = Nodes(folder)
    try:
        yield cluster
    finally:
        cluster.kill_all()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
