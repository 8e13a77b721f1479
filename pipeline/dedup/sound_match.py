"""Whether two sound prints are of one sound: what they are found by, and how much of one is heard in the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.compiled import compiled
from pipeline.dedup.sound import HOP_MS, Codes

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

BITS = 32
KEY_LAG = 4  # frames between the two codes of a key
KEY_SHARE = 2  # one key in so many is used, chosen by its value, hence the same one in every copy
BLOCK = 64  # frames judged together: 2 s
MIN_HEARD = 16  # frames of a block with sound, for it to be judged
MAX_OFFSETS = 8  # a copy with other advertisements in it lies at several offsets
_STEP = np.uint64(0x9E3779B97F4A7C15)
MAX_OCCURRENCES = 8  # a code more frequent than that in one recording says little about where


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundMatch:
    """How much of the shorter recording is heard in the longer one, how alike, and where.

    `coverage` and `longer_coverage` are shares of the blocks with sound; `similarity` is the share of equal bits in
    the blocks found (unrelated sound: 0.5 to 0.6); `offset_ms` is where `one` begins in `other`, in most blocks.
    """

    coverage: float
    longer_coverage: float
    similarity: float
    offset_ms: int
    is_one_longer: bool


def sound_keys(codes: Codes) -> U64:
    """Return what a print is found by: pairs of codes KEY_LAG frames apart, each once, sorted."""
    first, second = codes[:-KEY_LAG].astype(np.uint64), codes[KEY_LAG:].astype(np.uint64)
    has_both = (first > 0) & (second > 0)
    return _sampled_keys(np.unique((first[has_both] << np.uint64(32)) | second[has_both]))


def align(one: Codes, other: Codes, max_error: float) -> SoundMatch:
    """Compare two prints; a block is found where at most `max_error` of its bits differ at one of the offsets."""
    offsets = _likely_offsets(one, other)
    there = _covered(one, other, offsets, max_error)
    back = _covered(other, one, -offsets, max_error)
    is_one_longer = np.count_nonzero(one) > np.count_nonzero(other)
    shorter, longer = (back, there) if is_one_longer else (there, back)
    return SoundMatch(
        coverage=shorter[0] / max(1, shorter[1]),
        longer_coverage=longer[0] / max(1, longer[1]),
        similarity=1.0 - shorter[2],
        offset_ms=int(-shorter[3] if is_one_longer else shorter[3]) * HOP_MS,
        is_one_longer=bool(is_one_longer),
    )


@compiled
def _sampled_keys(pairs: U64) -> U64:
    keys = np.empty(len(pairs), np.uint64)
    num = 0
    for pair in pairs:
        key = pair * _STEP
        key ^= key >> np.uint64(32)
        if (key >> np.uint64(16)) % np.uint64(KEY_SHARE) == np.uint64(0):
            keys[num] = key
            num += 1
    return keys[:num].copy()


def _likely_offsets(one: Codes, other: Codes) -> I64:
    """Return the offsets (place in other minus place in one) at which most codes agree, the commonest first."""
    heard = np.flatnonzero(one)
    order = np.argsort(other, kind="stable")
    starts = np.searchsorted(other[order], one[heard])
    ends = np.searchsorted(other[order], one[heard], side="right")
    votes = np.zeros(len(one) + len(other) + 2, np.int64)
    _vote(heard - len(one), order, starts, ends, votes)
    best: list[int] = []
    while len(best) < MAX_OFFSETS and votes.max() > 0:
        top = int(votes.argmax())
        best.append(top - len(one))
        votes[max(0, top - 1) : top + 2] = 0
    return np.array(best, np.int64)


@compiled
def _vote(places: I64, order: I64, starts: I64, ends: I64, votes: I64) -> None:
    for number in range(len(places)):
        if ends[number] - starts[number] <= MAX_OCCURRENCES:
            for place in order[starts[number] : ends[number]]:
                votes[place - places[number]] += 1


@compiled
def _covered(one: Codes, other: Codes, offsets: I64, max_error: float) -> tuple[int, int, float, int]:
    """Return how many blocks of one are found in other, of how many, their mean error, and their commonest offset."""
    blocks = found = 0
    errors = 0.0
    hits = np.zeros(len(offsets) + 1, np.int64)
    for start in range(0, len(one), BLOCK):
        end = min(start + BLOCK, len(one))
        if np.sum(one[start:end] > 0) < MIN_HEARD:
            continue
        blocks += 1
        best, best_number = 1.0, len(offsets)
        for number in range(len(offsets)):
            error = _error(one, other, start, end, offsets[number])
            if error < best:
                best, best_number = error, number
        if best <= max_error:
            found += 1
            errors += best
            hits[best_number] += 1
    offset = offsets[hits[:-1].argmax()] if len(offsets) else 0
    return found, blocks, errors / found if found else 1.0, offset


@compiled
def _error(one: Codes, other: Codes, start: int, end: int, offset: int) -> float:
    wrong = heard = 0
    for place in range(start, end):
        if one[place] == 0:
            continue
        heard += 1
        there = place + offset
        if there < 0 or there >= len(other) or other[there] == 0:
            wrong += BITS // 2
            continue
        differing = one[place] ^ other[there]
        while differing:
            differing &= differing - np.uint32(1)
            wrong += 1
    return wrong / (BITS * heard)
