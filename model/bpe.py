"""Byte-pair merges by rank: the rules behind a rank file, and merging that sometimes forgets one (BPE dropout)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Ranks = Mapping[bytes, int]


def merge(word: bytes, ranks: Ranks, limit: int | None = None, is_dropped: Callable[[], bool] = bool) -> list[bytes]:
    """Merge a word's bytes, lowest rank first, up to ranks below `limit`.

    At each step `is_dropped` is asked for every merge that could be made; those it drops are not made this time,
    and when none is left the word stays as it is (Provilkov et al. 2020, §3).
    """
    limit = len(ranks) if limit is None else limit
    parts = [bytes([byte]) for byte in word]
    while len(parts) > 1:
        pairs = ((ranks.get(parts[place] + parts[place + 1], limit), place) for place in range(len(parts) - 1))
        possible = [(rank, place) for rank, place in pairs if rank < limit and not is_dropped()]
        if not possible:
            break
        _, place = min(possible)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts


def merge_rules(ranks: Ranks) -> list[tuple[bytes, bytes]]:
    """Return the pair that makes each token, in order of rank; bytes and the empty token are made by none."""
    rules: list[tuple[bytes, bytes]] = []
    for token in sorted(ranks, key=ranks.__getitem__):
        if len(token) > 1:
            left, right = merge(token, ranks, limit=ranks[token])
            rules.append((left, right))
    return rules
