"""Cut rows into units by key: a key's rows stay together, and more rows elsewhere do not move them.

A row's unit is a hash of its key, over a power of two of units, so that a corpus that grows keeps most of its parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pipeline import unions
from pipeline.ids import number_of


def rows_by_unit(keys: Sequence[str], rows_per_unit: int) -> list[list[int]]:
    """Return each unit's row numbers, in order; a unit has about `rows_per_unit`, more where a single key has more."""
    wanted = max(1, -(-len(keys) // rows_per_unit))
    num_units = 1 << (wanted - 1).bit_length()
    units: dict[int, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        units[number_of(key) % num_units].append(row)
    return [units[number] for number in sorted(units)]


def join_keys(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return one key for each pair, so that pairs with a key in common, directly or through others, share it."""
    parents: dict[str, str] = {}
    for one, other in pairs:
        unions.join(parents, one, other)
    return [unions.root(parents, one) for one, _ in pairs]
