"""What stages took, summed over the ingests of a data root: units, audio, seconds. `make plan` reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from jobs.command.progress import Step
from pipeline import store

LATEST = ("latest", "times.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """Units done, the audio in them, how long they held a core each, and how long they computed."""

    num_units: int = 0
    audio_ms: int = 0
    core_s: float = 0.0
    cpu_s: float = 0.0

    def plus(self, step: Step) -> StageTime:
        """Return the sum with what a run did."""
        return StageTime(
            num_units=self.num_units + step.num_done,
            audio_ms=self.audio_ms + step.audio_ms,
            core_s=round(self.core_s + step.core_s, 3),
            cpu_s=round(self.cpu_s + step.cpu_s, 3),
        )


@contextmanager
def recorded(data_root: str, show: Callable[[Step], None]) -> Generator[Callable[[Step], None]]:
    """Give a progress that also remembers; at the end, even of a run that fails, add it to what is known."""
    steps: dict[str, Step] = {}

    def progress(step: Step) -> None:
        steps[step.stage] = step
        show(step)

    try:
        yield progress
    finally:
        worked = {name: step for name, step in steps.items() if step.num_done}
        if worked:
            known = read_times(data_root)
            known |= {name: known.get(name, StageTime()).plus(step) for name, step in worked.items()}
            _publish(data_root, known)


def read_times(data_root: str) -> dict[str, StageTime]:
    """Return what each stage took so far, in the order they first ran; nothing before the first ingest."""
    uri = store.join(data_root, *LATEST)
    if not store.exists(uri):
        return {}
    return {name: StageTime(**time) for name, time in json.loads(store.read_bytes(uri)).items()}


def _publish(data_root: str, times: Mapping[str, StageTime]) -> None:
    plain = {name: asdict(time) for name, time in times.items()}
    store.publish(store.join(data_root, *LATEST), json.dumps(plain, indent=1).encode())
