"""Places in the order a person should look at them: how wrong they are, times how much they hold.

Whisper section 2.1 ranks sources by a first model's error and their size; without a model the error of a place is the
share of its captioned audio that some rule rejects.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

MS_PER_HOUR = 3_600_000
LEVELS = ("source", "host", "feed")
KEPT = "kept"
MAX_PLACES = 50_000  # remembered at a time; those with the fewest wrong hours are forgotten first

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A source, host or feed: captioned hours, their error from 0 to 1, and the reason that rejects most of it."""

    level: str
    name: str
    hours: float
    error: float
    reason: str

    @property
    def weight(self) -> float:
        """Hours that are wrong: what the ranking sorts by."""
        return self.hours * self.error


@dataclass(slots=True)
class _Sums:
    total_ms: float = 0.0
    wrong_ms: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter[str])


class Ranking:
    """Adds captioned windows up by place, part by part; memory is bounded by `MAX_PLACES`."""

    def __init__(self, max_places: int = MAX_PLACES) -> None:
        """Start with nothing added."""
        self._max_places = max_places
        self._sums: dict[Key, _Sums] = {}

    def add(self, windows: pa.Table) -> None:
        """Add windows with duration_ms, reason, source, host, feed and error.

        `error` is a model's error rate on the window where one was asked, else null; a null place is none.
        """
        duration = pc.cast(windows["duration_ms"], pa.float64())
        is_wrong = pc.cast(pc.not_equal(windows["reason"], KEPT), pa.float64())
        error = pc.coalesce(pc.min_element_wise(windows["error"], 1.0, skip_nulls=False), is_wrong)
        sums = windows.append_column("total", duration).append_column("wrong", pc.multiply(duration, error))
        for level in LEVELS:
            named = sums.filter(pc.is_valid(windows[level]))
            counted = named.group_by([level, "reason"]).aggregate([("total", "sum"), ("wrong", "sum")])
            for row in counted.to_pylist():
                self._add((level, row[level]), row["reason"], row["total_sum"], row["wrong_sum"])
        if len(self._sums) > 2 * self._max_places:
            largest = sorted(self._sums.items(), key=lambda pair: -pair[1].wrong_ms)
            self._sums = dict(largest[: self._max_places])

    def places(self, number: int | None = None) -> list[Place]:
        """Return the places by the hours that are wrong in them, the worst first."""
        places = [_place(key, sums) for key, sums in self._sums.items()]
        return sorted(places, key=lambda place: (-place.weight, place.level, place.name))[:number]

    def _add(self, key: Key, reason: str, total_ms: float, wrong_ms: float) -> None:
        sums = self._sums.setdefault(key, _Sums())
        sums.total_ms += total_ms
        sums.wrong_ms += wrong_ms
        if reason != KEPT:
            sums.reasons[reason] += round(total_ms)


def _place(key: Key, sums: _Sums) -> Place:
    reason = max(sorted(sums.reasons), key=lambda name: sums.reasons[name], default="")
    level, name = key
    return Place(
        level=level,
        name=name,
        hours=sums.total_ms / MS_PER_HOUR,
        error=sums.wrong_ms / sums.total_ms if sums.total_ms else 0.0,
        reason=reason,
    )
