"""Sets that grow together (union-find): which keys belong together, directly or through others."""

from __future__ import annotations


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
