"""Sets of many names in eight bytes each: what repeats, and what is missing, over a corpus that fits in no memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.ids import number_of

Hashes = NDArray[np.uint64]


def hashes(names: Iterable[str]) -> Hashes:
    """Hash names, in their order."""
    return np.frombuffer(array("Q", map(number_of, names)), dtype=np.uint64)


def repeated(names: Callable[[], Iterable[str]], most: int) -> tuple[int, list[str]]:
    """Return how many names stand more than once, and the first of them; the names are read twice only if any does."""
    values, counts = np.unique(hashes(names()), return_counts=True)
    bad = values[counts > 1]
    return len(bad), _first_in(bad, names(), most) if len(bad) else []


def torn(pairs: Callable[[], Iterator[tuple[str, str]]], most: int) -> tuple[int, list[str]]:
    """Return how many first names stand with more than one second name, and the first of them."""
    both = np.array([[number_of(one), number_of(other)] for one, other in pairs()], dtype=np.uint64).reshape(-1, 2)
    distinct = np.unique(both, axis=0)
    values, counts = np.unique(distinct[:, 0], return_counts=True)
    bad = values[counts > 1]
    return len(bad), _first_in(bad, (one for one, _ in pairs()), most) if len(bad) else []


def is_in(name: str, sorted_hashes: Hashes) -> bool:
    """Tell whether a name is among some, given by their sorted hashes."""
    value = np.uint64(number_of(name))
    at = int(np.searchsorted(sorted_hashes, value))
    return at < len(sorted_hashes) and bool(sorted_hashes[at] == value)


def _first_in(bad: Hashes, names: Iterable[str], most: int) -> list[str]:
    found: dict[str, None] = {}
    for name in names:
        if len(found) < most and is_in(name, bad):
            found[name] = None
    return list(found)
