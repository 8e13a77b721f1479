"""Core-seconds that each stage takes for an hour of audio: measured by the ingests of a data root, else documented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.command.progress import MS_PER_HOUR
from jobs.running.times import StageTime

# 2.6 hours of people's recordings as mp3 took 17.5 s an hour, a third of this (measured 2026-11). Planned is with the
# slower decoding of BENCHMARKS.md: mp3 at 313 times real time, in each of three stages.
DOCUMENTED: Mapping[str, float] = {"fetch": 12.0, "annotate": 25.0, "dedup": 3.0, "shard": 14.0, "settle": 0.1}
READS_ALL = "fetch"  # the stage whose audio is all there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Core-seconds for an hour of audio by stage, and where they come from."""

    cpu_s_per_h: Mapping[str, float]
    origin: str


def rates_of(times: Mapping[str, StageTime], min_h: float) -> Rates:
    """Take what was measured where it was on enough audio; else what is documented."""
    measured_h = times.get(READS_ALL, StageTime()).audio_ms / MS_PER_HOUR
    if measured_h < min_h:
        return Rates(
            cpu_s_per_h=DOCUMENTED,
            origin=f"documented (here {measured_h:.1f} h were measured; {min_h:g} h are wanted)",
        )
    rates = {name: time.cpu_s / measured_h for name, time in times.items()}
    return Rates(cpu_s_per_h=rates, origin=f"measured here on {measured_h:,.1f} h of audio")
