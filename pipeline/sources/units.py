"""Cut rows into units by key: a key's rows stay together, and more rows elsewhere do not move them.

A row's unit is a hash of its key, over a power of two of units, so that a corpus that grows keeps most of its parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def assign_units(keys: Sequence[str], rows_per_unit: int) -> list[int]:
    """Return each row's unit; about `rows_per_unit` rows make one, more where a single key has more."""
    wanted = max(1, -(-len(keys) // rows_per_unit))
    num_units = 1 << (wanted - 1).bit_length()
    return [_hash(key) % num_units for key in keys]


def join_keys(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return one key for each pair, so that pairs with a key in common, directly or through others, share it."""
    parents: dict[str, str] = {}
    for one, other in pairs:
        low, high = sorted((_root(parents, one), _root(parents, other)))
        parents[high] = low
    return [_root(parents, one) for one, _ in pairs]


def _root(parents: dict[str, str], key: str) -> str:
    while parents.setdefault(key, key) != key:
        parents[key] = parents[parents[key]]
        key = parents[key]
    return key


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
