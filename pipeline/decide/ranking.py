"""Sources in the order a person should look at them: how wrong they are, times how much they hold.

Whisper section 2.1 ranks sources by a first model's error and their size; without a model the error of a place is the
share of its captioned audio that some rule rejects.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MS_PER_HOUR = 3_600_000


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


def rank(windows: Iterable[Mapping[str, Any]]) -> list[Place]:
    """Rank the places of captioned windows with duration_ms, reason, source, audio_url, seed_url and error.

    `error` is a model's error rate on the window where one was asked, else null.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for window in windows:
        for level, name in _places(window):
            groups[level, name].append(window)
    places = [_place(level, name, group) for (level, name), group in groups.items()]
    return sorted(places, key=lambda place: (-place.weight, place.level, place.name))


def _places(window: Mapping[str, Any]) -> list[tuple[str, str]]:
    host = urlsplit(window["audio_url"] or "").hostname
    named = [("source", window["source"]), ("host", host), ("feed", window["seed_url"])]
    return [(level, name) for level, name in named if name]


def _place(level: str, name: str, group: list[Mapping[str, Any]]) -> Place:
    total_ms = sum(window["duration_ms"] for window in group)
    wrong_ms = sum(window["duration_ms"] * _error(window) for window in group)
    reasons: Counter[str] = Counter()
    for window in group:
        reasons[window["reason"]] += 0 if window["reason"] == "kept" else window["duration_ms"]
    reason, longest_ms = max(sorted(reasons.items()), key=lambda pair: pair[1])
    return Place(
        level=level,
        name=name,
        hours=total_ms / MS_PER_HOUR,
        error=wrong_ms / total_ms if total_ms else 0.0,
        reason=reason if longest_ms else "",
    )


def _error(window: Mapping[str, Any]) -> float:
    return float(window["reason"] != "kept") if window["error"] is None else min(1.0, window["error"])
