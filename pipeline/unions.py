"""Sets that grow together (union-find): which keys belong together, directly or through others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def root(parents: dict[str, str], key: str) -> str:
    """Return the key that names the set of `key`, which is alone where it has not been joined."""
    while parents.setdefault(key, key) != key:
        parents[key] = parents[parents[key]]
        key = parents[key]
    return key


def join(parents: dict[str, str], one: str, other: str) -> None:
    """Make one set of the sets of two keys; the smallest key names it, so that order does not matter."""
    low, high = sorted((root(parents, one), root(parents, other)))
    parents[high] = low


def roots(num: int, one: Numbers, other: Numbers) -> Numbers:
    """Return for each of the numbers below `num` the smallest one it is tied to, one[i] being tied to other[i].

    Whole columns at a time: every set's name sinks to the smallest it touches, then names are followed to their ends.
    """
    names = np.arange(num)
    while not np.array_equal(names[one], names[other]):
        lowest = np.minimum(names[one], names[other])
        np.minimum.at(names, names[one], lowest)
        np.minimum.at(names, names[other], lowest)
        while not np.array_equal(names, names[names]):
            names = names[names]
    return names
