"""A verdict on one invariant: how much was looked at, what is wrong, and the first of it by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

FIRST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found of an invariant; `notes` say what is allowed but worth knowing."""

    invariant: str
    promise: str
    num_checked: int
    num_bad: int
    first: tuple[str, ...]
    notes: tuple[str, ...]


class Tally:
    """Counts what holds and what does not, and remembers the first failures; `num_bad` may be asked on the way."""

    def __init__(self, invariant: str, promise: str) -> None:
        """Start with nothing looked at."""
        self._invariant, self._promise = invariant, promise
        self._num_checked = self.num_bad = 0
        self._first: list[str] = []
        self._notes: dict[str, int] = {}

    def check(self, holds: bool, failure: str) -> bool:
        """Count one thing looked at; returns whether it holds."""
        self._num_checked += 1
        self.num_bad += not holds
        if not holds and len(self._first) < FIRST:
            self._first.append(failure)
        return holds

    def count(self, number: int, num_bad: int, first: Iterable[str]) -> None:
        """Count things looked at together, of which some are bad; `first` names the first of these."""
        self._num_checked += number
        self.num_bad += num_bad
        self._first += islice(first, FIRST - len(self._first))

    def note(self, what: str, number: int = 1) -> None:
        """Count something that is allowed but worth knowing."""
        self._notes[what] = self._notes.get(what, 0) + number

    def verdict(self) -> Verdict:
        """Return what was found."""
        return Verdict(
            invariant=self._invariant,
            promise=self._promise,
            num_checked=self._num_checked,
            num_bad=self.num_bad,
            first=tuple(self._first),
            notes=tuple(f"{number:,} {what}" for what, number in self._notes.items()),
        )
