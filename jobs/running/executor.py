"""Run units anywhere: one after the other in this process, or as Ray tasks. The only file that knows Ray.

Both give the same results. A unit that fails is tried again, three times in all, then reported; the others go on.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

from jobs.running.cluster import knock, runtime_env
from jobs.running.cpu import cpu_s
from pipeline.errors import DataError, UserError, unknown_name
from pipeline.fetch.pace import Budgets, HostBudgets, Visit
from pipeline.stage import Unit

ATTEMPTS = 3
NAMESPACE = "sotto"
BUDGETS = "host-budgets"
HEAD = "node:__internal_head__"  # a resource that Ray gives the head alone
MAX_WAITING = 100_000  # calls the budgets hold at once, nearly all of them asleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A unit's end: `error` is None, or why the last attempt failed; `is_mistake` when the user can mend it.

    `time_s` is how long it held a core, failed attempts included, `cpu_s` how much of it was computing: with that of
    decoders it started, and more than `time_s` where a library used several cores.
    """

    unit: Unit
    audio_ms: int = 0
    time_s: float = 0.0
    cpu_s: float = 0.0
    error: str | None = None
    is_mistake: bool = False


class Executor(Protocol):
    """Something that runs units and yields each one's end, in any order."""

    def run(self, task: Callable[[Unit], int], units: Sequence[Unit]) -> Iterator[Done]:
        """Run a task on every unit."""
        ...

    def budgets(self) -> Budgets:
        """Return the turns at sites that all units share; picklable where units run elsewhere."""
        ...


class SerialExecutor:
    """Units one after the other in this process, for tests and debugging."""

    def __init__(self) -> None:
        """Hold the turns at sites."""
        self._budgets = HostBudgets()

    def __enter__(self) -> SerialExecutor:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave nothing behind."""

    def run(self, task: Callable[[Unit], int], units: Sequence[Unit]) -> Iterator[Done]:
        """Run a task on every unit."""
        for unit in units:
            yield _attempt(task, unit)

    def budgets(self) -> HostBudgets:
        """Return the turns of this process."""
        return self._budgets


@dataclass(frozen=True, slots=True)
class RayBudgets:
    """The turns at sites as one actor of the cluster, found by name: jobs that share a cluster share them too."""

    async def enter(self, visit: Visit, lease_s: float, max_wait_s: float = math.inf) -> float:
        """Wait for the site's turn; see Budgets."""
        return await _budgets_actor().enter.remote(visit, lease_s, max_wait_s)

    async def keep(self, visit: Visit, lease_s: float) -> None:
        """Hold the turn longer; see Budgets."""
        await _budgets_actor().keep.remote(visit, lease_s)

    async def leave(self, visit: Visit, pause_s: float) -> None:
        """Give the turn back; see Budgets."""
        await _budgets_actor().leave.remote(visit, pause_s)


class RayExecutor:
    """Units as Ray tasks, on a cluster by address or on an embedded one that starts with the first unit."""

    def __init__(self, config: ExecutorConfig) -> None:
        """Remember where to run; nothing is started yet."""
        self._config = config
        self._ray: Any = None

    def __enter__(self) -> RayExecutor:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the cluster, or stop the embedded one."""
        if self._ray is not None:
            self._ray.shutdown()

    def run(self, task: Callable[[Unit], int], units: Sequence[Unit]) -> Iterator[Done]:
        """Run a task on every unit, a bounded number at once."""
        if not units:
            return
        ray = self._start()
        remote = ray.remote(num_cpus=1, num_gpus=self._config.num_gpus, max_retries=ATTEMPTS - 1)(_attempt)
        waiting, running = list(reversed(units)), dict[Any, Unit]()
        while waiting or running:
            while waiting and len(running) < self._config.units_in_flight:
                unit = waiting.pop()
                running[remote.remote(task, unit)] = unit
            ready, _ = ray.wait(list(running), num_returns=1)
            yield self._result(ray, ready[0], running.pop(ready[0]))

    def budgets(self) -> RayBudgets:
        """Return the turns of the cluster."""
        return RayBudgets()

    def describe(self) -> str:
        """Start or join the cluster, and say what it has."""
        ray = self._start()
        alive = [node for node in ray.nodes() if node["Alive"]]
        return f"{len(alive)} node{'s' if len(alive) > 1 else ''}, {int(ray.cluster_resources().get('CPU', 0))} cores"

    def _result(self, ray: Any, ref: Any, unit: Unit) -> Done:
        try:
            return ray.get(ref)
        except ray.exceptions.RayError as error:
            return Done(unit=unit, error=f"the worker died {ATTEMPTS} times: {type(error).__name__}")

    def _start(self) -> Any:
        if self._ray is None:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            os.environ.setdefault("RAY_task_oom_retries", str(ATTEMPTS - 1))
            import ray
            import ray.exceptions

            address = self._config.address
            limits: dict[str, Any] = {"num_cpus": self._config.num_cpus, "include_dashboard": False}
            if address:
                knock(address)
                limits = {"namespace": NAMESPACE, "runtime_env": runtime_env()}
            quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
            try:
                # Not None: Ray would take that for the address in the environment.
                ray.init(address=address or "local", **quiet, **limits)
            except (OSError, RuntimeError, ray.exceptions.RayError) as error:
                raise _no_cluster(address, error) from error
            self._ray = ray
            if not address and self._config.num_gpus > ray.cluster_resources().get("GPU", 0):
                raise UserError(  # Ray would wait for ever
                    f"executor.num_gpus {self._config.num_gpus:g} is more than this machine has; expected at most "
                    f"{ray.cluster_resources().get('GPU', 0):g}; lower it, or name a cluster with GPUs"
                )
        return self._ray


def _no_cluster(address: str | None, error: Exception) -> UserError:
    why = str(error).strip().split("\n")[0]
    return UserError(
        f"ray cluster {address or 'embedded'} cannot be used: {why}; "
        "expected one that runs, with this version of Ray and its token; see make doctor"
    )


@cache
def _budgets_actor() -> Any:
    """Find the actor, or start it: it outlives the job that did, and with an embedded cluster ends with it."""
    import ray

    # Not tied to the worker that happens to start it, nor to a machine that may go: on the head, and no core for it.
    options = {"lifetime": "detached", "num_cpus": 0, "max_restarts": -1, "max_concurrency": MAX_WAITING}
    options |= {"resources": {HEAD: 0.001}}
    named = {"name": BUDGETS, "namespace": NAMESPACE, "get_if_exists": True}
    return ray.remote(HostBudgets).options(**named, **options).remote()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorConfig:
    """Who runs the units: kind 'ray' (at `address`, or embedded with `num_cpus`) or 'serial'.

    `num_gpus` is what Ray sets aside for each unit, which then sees these GPUs; units of 0.5 share one two by two.
    """

    kind: str
    address: str | None
    num_cpus: int | None
    units_in_flight: int
    num_gpus: float = 0


def make_executor(config: ExecutorConfig) -> SerialExecutor | RayExecutor:
    """Build the executor a config names."""
    if config.kind not in ("ray", "serial"):
        raise unknown_name("executor.kind", config.kind, ("ray", "serial"))
    if config.kind == "serial":
        return SerialExecutor()
    return RayExecutor(config)


def _attempt(task: Callable[[Unit], int], unit: Unit) -> Done:
    start_s, start_cpu_s = time.monotonic(), cpu_s()
    done = _try(task, unit)
    return replace(done, time_s=time.monotonic() - start_s, cpu_s=cpu_s() - start_cpu_s)


def _try(task: Callable[[Unit], int], unit: Unit) -> Done:
    error = ""
    for _ in range(ATTEMPTS):
        try:
            return Done(unit=unit, audio_ms=task(unit))
        except UserError as mistake:
            return Done(unit=unit, error=str(mistake), is_mistake=True)
        except (DataError, AssertionError) as final:
            # The same input gives the same answer: trying again is of no use.
            return Done(unit=unit, error=f"{type(final).__name__}: {final}")
        except Exception as failure:  # noqa: BLE001  # the quarantine: whatever a unit does, the others go on
            error = f"{type(failure).__name__}: {failure}"
    return Done(unit=unit, error=error)
