"""Look at this machine and say what is in the way of an ingest or a training: `make doctor`; exit code 1 if any is."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from omegaconf import DictConfig

from jobs.command.cli import EXIT_DATA, command
from jobs.health.finding import BAD, Finding, lines
from jobs.health.machine import machine
from jobs.health.services import DASHBOARD_PORT, mlflow, object_store, ray_path, ray_security
from jobs.health.software import software
from jobs.running.executor import ExecutorConfig, RayExecutor
from pipeline.errors import UserError


@command("doctor")
def main(cfg: DictConfig) -> None:
    """Print a line for each thing."""
    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(everything_but_ray, cfg)  # Ray takes seconds to start, and wants the main thread
        ray = ray_start(cfg.ray_address) if cfg.start_ray else []
        findings = [*others.result(), *ray]
    print("\n".join(lines(findings)))
    if any(finding.state == BAD for finding in findings):
        sys.exit(EXIT_DATA)


def everything_but_ray(cfg: DictConfig) -> list[Finding]:
    """Look at all that needs no cluster."""
    looks: list[Callable[[], list[Finding]]] = [
        software,
        lambda: machine(cfg.data_root, cfg.min_free_gib, cfg.min_memory_gib),
        lambda: [object_store(cfg.data_root)] if "://" in cfg.data_root else [],
        lambda: mlflow(cfg.tracking_uri, cfg.mlflow_port),
        lambda: ray_security(os.environ, Path.home(), f"http://127.0.0.1:{DASHBOARD_PORT}"),
        lambda: [ray_path(os.environ)],
    ]
    return [finding for look in looks for finding in look()]


def ray_start(address: str | None) -> list[Finding]:
    """Start an embedded cluster, or join the one at an address, and leave it again."""
    start_s = time.monotonic()
    try:
        with RayExecutor(ExecutorConfig(kind="ray", address=address, num_cpus=None, units_in_flight=1)) as executor:
            seen = executor.describe()
    except UserError as error:
        return [Finding(name="ray", seen=str(error), state=BAD, advice="see the lines above on token and path")]
    what = f"joins {address}" if address else "starts embedded"
    return [Finding(name="ray", seen=f"{what}: {seen}, in {time.monotonic() - start_s:.1f} s")]


if __name__ == "__main__":
    main()
