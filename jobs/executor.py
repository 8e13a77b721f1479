"""Run units anywhere: one after the other in this process, or as Ray tasks. The only file that knows Ray.

Both give the same results. A unit that fails is tried again, three times in all, then reported; the others go on.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from pipeline.errors import DataError, UserError, unknown_name
from pipeline.fetch.pace import Budgets, HostBudgets, Visit
from pipeline.stage import Unit

ATTEMPTS = 3
NAMESPACE = "sotto"
BUDGETS = "host-budgets"
MAX_WAITING = 100_000  # calls the budgets hold at once, nearly all of them asleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A unit's end: `error` is None, or why the last attempt failed; `is_mistake` when the user can mend it."""

    unit: Unit
    rows: int = 0
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

    def __init__(self, address: str | None, num_cpus: int | None, units_in_flight: int) -> None:
        """Remember where to run; nothing is started yet."""
        self._address = address
        self._num_cpus = num_cpus
        self._units_in_flight = units_in_flight
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
        remote = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(_attempt)
        waiting, running = list(reversed(units)), dict[Any, Unit]()
        while waiting or running:
            while waiting and len(running) < self._units_in_flight:
                unit = waiting.pop()
                running[remote.remote(task, unit)] = unit
            ready, _ = ray.wait(list(running), num_returns=1)
            yield self._result(ray, ready[0], running.pop(ready[0]))

    def budgets(self) -> RayBudgets:
        """Return the turns of the cluster."""
        return RayBudgets()

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

            limits: dict[str, Any] = {} if self._address else {"num_cpus": self._num_cpus, "include_dashboard": False}
            ray.init(address=self._address, logging_level=logging.ERROR, log_to_driver=False, **limits)
            self._ray = ray
        return self._ray


@cache
def _budgets_actor() -> Any:
    """Find the actor, or start it: it outlives the job that did, and with an embedded cluster ends with it."""
    import ray

    # Not tied to the worker that happens to start it, and no core is kept for it.
    options = {"lifetime": "detached", "num_cpus": 0, "max_restarts": -1, "max_concurrency": MAX_WAITING}
    named = {"name": BUDGETS, "namespace": NAMESPACE, "get_if_exists": True}
    return ray.remote(HostBudgets).options(**named, **options).remote()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorConfig:
    """Who runs the units: kind 'ray' (at `address`, or embedded with `num_cpus`) or 'serial'."""

    kind: str
    address: str | None
    num_cpus: int | None
    units_in_flight: int


def make_executor(config: ExecutorConfig) -> SerialExecutor | RayExecutor:
    """Build the executor a config names."""
    if config.kind not in ("ray", "serial"):
        raise unknown_name("executor.kind", config.kind, ("ray", "serial"))
    if config.kind == "serial":
        return SerialExecutor()
    return RayExecutor(config.address, config.num_cpus, config.units_in_flight)


def _attempt(task: Callable[[Unit], int], unit: Unit) -> Done:
    error = ""
    for _ in range(ATTEMPTS):
        try:
            return Done(unit=unit, rows=task(unit))
        except UserError as mistake:
            return Done(unit=unit, error=str(mistake), is_mistake=True)
        except (DataError, AssertionError) as final:
            # The same input gives the same answer: trying again is of no use.
            return Done(unit=unit, error=f"{type(final).__name__}: {final}")
        except Exception as failure:  # noqa: BLE001  # the quarantine: whatever a unit does, the others go on
            error = f"{type(failure).__name__}: {failure}"
    return Done(unit=unit, error=error)
