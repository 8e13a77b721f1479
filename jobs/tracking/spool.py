"""What a run has to report, written to a file first and sent from there: a server that is away loses nothing.

`metrics.jsonl` has a line for each step that was logged, each file that belongs to the run and each checkpoint to be
registered; `metrics.sent` says how many of its bytes have arrived. A thread sends what is new and tries again while
nobody answers. What still waits when a run ends, or is killed, is sent by the next start in the same folder. What is
done again after a kill is logged once.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from lightning.pytorch.loggers import Logger

LINES_AT_ONCE = 200
WAITS_S = (1.0, 2.0, 5.0, 10.0)


class Away(Exception):
    """Nobody answered; what was sent may be sent again."""


class Refused(Away):
    """The answer was no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A checkpoint to be registered as a version of a model."""

    model: str
    checkpoint: str
    held_out_loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Numbers of a step, or a file and the folder it belongs to, or a checkpoint to be registered."""

    step: int
    time_ms: int
    metrics: Mapping[str, float]
    file: str | None = None
    folder: str | None = None
    version: Version | None = None


Send = Callable[[Sequence[Entry]], None]


class Spool:
    """Entries of one run, from the file to wherever `send` takes them; without one they stay in the file."""

    def __init__(self, path: Path, send: Send | None, say: Callable[[str], None] = print) -> None:
        """Go on with a file; a line that a kill cut off is dropped."""
        self._say = say
        self._path, self._sent_path, self._send = path, path.with_suffix(".sent"), send
        path.parent.mkdir(parents=True, exist_ok=True)
        self._logged, self._versions = _mend(path)
        self._sent = int(self._sent_path.read_text()) if self._sent_path.exists() else 0
        self._file = path.open("a")
        self._news, self._closing, self._over = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        if send is not None:
            self._thread.start()

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write numbers down, but for those that this step or a later one has had before."""
        new = {name: value for name, value in metrics.items() if step > self._logged.get(name, -1)}
        if new:
            self._logged.update(dict.fromkeys(new, step))
            self._write(Entry(step=step, time_ms=_now_ms(), metrics=new))

    def add_file(self, step: int, file: Path, folder: str) -> None:
        """Write down that a file belongs to the run; it must stay where it is."""
        self._write(Entry(step=step, time_ms=_now_ms(), metrics={}, file=str(file), folder=folder))

    def add_version(self, step: int, version: Version) -> None:
        """Write down that a checkpoint is to be registered, unless it was before."""
        if version not in self._versions:
            self._versions.add(version)
            self._write(Entry(step=step, time_ms=_now_ms(), metrics={}, version=version))

    def close(self, patience_s: float = 60.0) -> int:
        """Wait for everything to arrive, for as long as this; return how many bytes still wait."""
        self._closing.set()
        self._news.set()
        if self._send is not None:
            self._thread.join(timeout=patience_s)
        self._over.set()
        self._file.close()
        return 0 if self._send is None else self._path.stat().st_size - self._sent

    def _write(self, entry: Entry) -> None:
        self._file.write(json.dumps(asdict(entry)) + "\n")
        self._file.flush()
        self._news.set()

    def _run(self) -> None:
        failures = 0
        while not (self._over.is_set() or (self._closing.is_set() and self._num_waiting() == 0)):
            self._news.wait(timeout=WAITS_S[-1])
            self._news.clear()
            while self._num_waiting() and not self._over.is_set():
                failures = self._try(failures)

    def _try(self, failures: int) -> int:
        """Send some, after so many failures in a row; return how many there are now."""
        try:
            self._send_some()
        except Away as error:
            if not failures:
                self._say(f"tracking: {error}; training goes on, what it reports waits in {self._path}")
            self._wait(failures)
            return failures + 1
        if failures:
            self._say(f"tracking: answers again, {failures} tries later; what waited is sent")
        return 0

    def _wait(self, failures: int) -> None:
        """Wait longer each time, but not while somebody waits for the end; news do not hurry a server."""
        if self._closing.is_set():
            time.sleep(WAITS_S[0])
        else:
            self._closing.wait(WAITS_S[min(failures, len(WAITS_S) - 1)])

    def _num_waiting(self) -> int:
        return self._path.stat().st_size - self._sent

    def _send_some(self) -> None:
        assert self._send is not None
        with self._path.open("rb") as file:
            file.seek(self._sent)
            lines = [line for _ in range(LINES_AT_ONCE) if (line := file.readline()).endswith(b"\n")]
        self._send([_entry(line) for line in lines])
        self._sent += sum(map(len, lines))
        draft = self._sent_path.with_suffix(".writing")
        draft.write_text(str(self._sent))
        draft.replace(self._sent_path)


class SpoolLogger(Logger):
    """Lightning's logger onto a spool, with the load of this machine beside each step's numbers."""

    def __init__(self, spool: Spool) -> None:
        """Write to a spool."""
        super().__init__()
        self.spool = spool
        self._process = psutil.Process()

    @property
    def name(self) -> str:
        """Return what Lightning calls the logger."""
        return "spool"

    @property
    def version(self) -> str:
        """Return nothing: a run has one spool."""
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Leave parameters to jobs/tracking/runs.py."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write numbers down."""
        self.spool.add(step or 0, {**metrics, **self._load()})

    def _load(self) -> dict[str, float]:
        return {
            "system/cpu_percent": psutil.cpu_percent(),
            "system/memory_percent": psutil.virtual_memory().percent,
            "system/process_gib": self._process.memory_info().rss / 2**30,
        }


def _mend(path: Path) -> tuple[dict[str, int], set[Version]]:
    """Cut a line off that has no end, and return the last step of every number and the versions there are."""
    last, versions = dict[str, int](), set[Version]()
    if not path.exists():
        return last, versions
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("rb+") as file:
            file.truncate(whole)
    for entry in map(_entry, content[:whole].splitlines()):
        last.update({name: max(entry.step, last.get(name, -1)) for name in entry.metrics})
        if entry.version is not None:
            versions.add(entry.version)
    return last, versions


def _entry(line: bytes) -> Entry:
    plain: dict[str, Any] = json.loads(line)
    version = plain.pop("version", None)
    return Entry(**plain, version=None if version is None else Version(**version))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
