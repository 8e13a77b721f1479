"""How long this process and those it started have been computing."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

TASKS = Path("/proc/self/task")
UTIME, STIME = 11, 12  # fields of /proc/PID/stat behind the name, in clock ticks (proc(5))


def cpu_s() -> float:
    """Return the seconds of this process, its children that ended, and those that live (elsewhere than Linux: not)."""
    own, ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime + sum(map(_living_s, _children()))


def _children() -> Iterator[str]:
    for path in TASKS.glob("*/children"):
        yield from _read(path).split()


def _living_s(pid: str) -> float:
    fields = _read(Path("/proc") / pid / "stat").rpartition(")")[2].split()
    return sum(int(fields[place]) for place in (UTIME, STIME)) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended just now
        return ""
