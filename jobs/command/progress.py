"""How far a stage is, in words: units, hours of audio, hours per core-hour, time left, failures."""

from __future__ import annotations

from dataclasses import dataclass

MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stage in the middle of its work; audio, times and failures are those of this run.

    `core_s` is how long units held a core, all of them together, and `cpu_s` how long they computed; `wall_s` is how
    long the stage has been running.
    """

    stage: str
    num_units: int
    num_before: int = 0  # units that earlier runs did
    num_done: int = 0  # of this run, failed ones included
    num_failed: int = 0
    audio_ms: int = 0
    core_s: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0

    @property
    def num_left(self) -> int:
        """Units still to do."""
        return self.num_units - self.num_before - self.num_done

    @property
    def hours(self) -> float:
        """Hours of audio dealt with."""
        return self.audio_ms / MS_PER_HOUR

    @property
    def rate(self) -> float | None:
        """Hours of audio per core-hour; None before there are any."""
        return self.audio_ms / 1000 / self.core_s if self.audio_ms and self.core_s else None

    @property
    def left_s(self) -> float | None:
        """Seconds the units to do will take at the pace so far; None before one is done."""
        return self.wall_s / self.num_done * self.num_left if self.num_done else None


def describe(step: Step) -> str:
    """Write the audio, its rate, the time left (or taken, at the end) and the failures of a stage."""
    audio = [f"{step.hours:,.2f} h of audio"] if step.audio_ms else []
    rate = [f"{step.rate:,.0f} h per core-hour"] if step.rate else []
    left = step.left_s
    time = [f"in {spell(step.wall_s)}"] if not step.num_left else [f"{spell(left)} left"] if left is not None else []
    failed = [f"{step.num_failed:,} FAILED"] if step.num_failed else []
    return ", ".join([*audio, *rate, *time, *failed])


def spell(time_s: float) -> str:
    """Write a time with its two largest units."""
    minutes, seconds = divmod(round(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days:,} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def printable(text: str) -> str:
    """Replace what could steer a terminal; lines stay."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
