"""What is done to every character, word and shingle, compiled: hash strings, find words, MinHash, compare sets.

All in one file, because compiled code is kept until its own file changes: a function compiled elsewhere would go on
with the old version of one that it calls here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.compiled import compiled

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

# What a character counts as: nothing, the end of a word, or a number; flagged where it is a word by itself.
DROPPED = 0
GAP = 1
UNSPACED = 1 << 31
NUM_CODES = 0x20000  # what follows are rare Chinese characters, each standing for itself, and (from 0xE0000) marks

WORDS = 5  # words in a shingle
CHARS = 8  # characters in one where words are not spaced
CHARS_PER_WORD = 2  # likewise, when words are counted
BANDS = 16
ROWS = 8  # hashes of a band
HASHES = BANDS * ROWS

FILTER_BITS = 22
_FILTER_MASK = np.uint64((1 << FILTER_BITS) - 1)
_STEP = np.uint64(0x9E3779B97F4A7C15)  # the constants of splitmix64
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@compiled
def mix(value: np.uint64) -> np.uint64:
    """Scatter the bits of a number (the end of splitmix64)."""
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


@compiled
def string_hashes(data: U8, offsets: I64) -> U64:
    """Return 64 bits for each of the strings that lie end to end in `data`."""
    found = np.empty(len(offsets) - 1, np.uint64)
    for number in range(len(found)):
        value = np.uint64(offsets[number + 1] - offsets[number])
        for byte in data[offsets[number] : offsets[number + 1]]:
            value = (value + np.uint64(byte) + np.uint64(1)) * _STEP
            value ^= value >> np.uint64(32)
        found[number] = mix(value)
    return found


@compiled
def words_of(text: U8, folds: U32, words: U64) -> tuple[int, int]:
    """Write the hash of each word of a UTF-8 text to `words`; return how many, and how many are single characters."""
    num = num_unspaced = place = 0
    word = np.uint64(0)
    while place < len(text):
        code = np.uint32(text[place])
        place += 1
        if code >= 0x80:
            code, place = _code_point(text, place, code)
        fold = folds[code] if code < NUM_CODES else np.uint32(DROPPED if code >= 0xE0000 else UNSPACED | code)
        if GAP < fold < UNSPACED:
            word = (word + np.uint64(fold)) * _STEP
            continue
        if fold == DROPPED:
            continue
        if word:
            words[num] = mix(word)
            num += 1
            word = np.uint64(0)
        if fold >= UNSPACED:
            words[num] = mix(np.uint64(fold))
            num += 1
            num_unspaced += 1
    if word:
        words[num] = mix(word)
        num += 1
    return num, num_unspaced


@compiled
def _code_point(text: U8, place: int, first: np.uint32) -> tuple[np.uint32, int]:
    size = 1 if first < 0xE0 else 2 if first < 0xF0 else 3
    code = first & np.uint32(0x3F >> size)
    for byte in text[place : place + size]:
        code = (code << np.uint32(6)) | np.uint32(byte & np.uint8(0x3F))
    return code, place + size


@compiled
def runs_of(words: U64, size: int) -> int:
    """Replace words by the hashes of all runs of `size` of them, in place; return how many there are."""
    num = len(words) - size + 1 if size > 0 else 0
    for start in range(num):
        run = np.uint64(size)
        for word in words[start : start + size]:
            run = (run ^ word) * _STEP
            run ^= run >> np.uint64(32)
        words[start] = mix(run)
    return max(0, num)


@compiled
def _to_shingles(words: U64, num_unspaced: int) -> int:
    size = CHARS if 2 * num_unspaced > len(words) else WORDS
    return runs_of(words, min(size, len(words)))


@compiled
def shingle_sets_of(data: U8, offsets: I64, folds: U32) -> tuple[U64, I64]:
    """Return the sorted sets of shingles of texts that lie end to end in `data`, end to end, and where each begins."""
    shingles = np.empty(offsets[-1] - offsets[0] + 1, np.uint64)
    starts = np.zeros(len(offsets), np.int64)
    total = 0
    for text in range(len(offsets) - 1):
        num, num_unspaced = words_of(data[offsets[text] : offsets[text + 1]], folds, shingles[total:])
        num = _to_shingles(shingles[total : total + num], num_unspaced)
        shingles[total : total + num].sort()
        total += _to_set(shingles[total : total + num])
        starts[text + 1] = total
    return shingles[:total].copy(), starts


@compiled
def _to_set(values: U64) -> int:
    """Move the different ones of sorted values to the front; return how many there are."""
    num = min(1, len(values))
    for value in values[1:]:
        if value != values[num - 1]:
            values[num] = value
            num += 1
    return num


@compiled
def measure_texts(data: U8, offsets: I64, folds: U32, results: tuple[I64, U64, U64]) -> None:
    """Fill the number of words, the digest and the bands of each of the texts that lie end to end in `data`."""
    num_words, digests, bands = results
    longest = 1
    for text in range(len(offsets) - 1):
        longest = max(longest, offsets[text + 1] - offsets[text])
    words, smallest, factors = np.empty(longest, np.uint64), np.empty(HASHES, np.uint32), _factors()
    for text in range(len(offsets) - 1):
        num, num_unspaced = words_of(data[offsets[text] : offsets[text + 1]], folds, words)
        num_words[text] = num - num_unspaced + num_unspaced // CHARS_PER_WORD
        _digest(words[:num], digests[text])
        _minhash(words[: _to_shingles(words[:num], num_unspaced)], factors, smallest)
        _bands(smallest, bands[text])


@compiled
def _factors() -> U32:
    """Return the factor and the summand of each hash of a MinHash."""
    numbers = np.empty((2, HASHES), np.uint32)
    for number in range(HASHES):
        numbers[0, number] = np.uint32(mix(np.uint64(2 * number + 1) * _STEP) >> np.uint64(32)) | np.uint32(1)
        numbers[1, number] = np.uint32(mix(np.uint64(2 * number + 2) * _STEP) >> np.uint64(32))
    return numbers


@compiled
def _digest(words: U64, digest: U64) -> None:
    one, other = np.uint64(len(words)), np.uint64(1)
    for word in words:
        one = mix(one ^ word)
        other = (other + word) * _STEP
    digest[0] = one
    digest[1] = mix(other)


@compiled
def _minhash(shingles: U64, factors: U32, smallest: U32) -> None:
    smallest[:] = np.uint32(0xFFFFFFFF)
    for shingle in shingles:
        value = np.uint32(shingle >> np.uint64(32))
        for number in range(HASHES):
            hashed = np.uint32(value * factors[0, number] + factors[1, number])
            smallest[number] = min(smallest[number], hashed)


@compiled
def _bands(smallest: U32, bands: U64) -> None:
    for band in range(BANDS):
        key = np.uint64(band)
        for row in range(ROWS):
            key = mix(key ^ np.uint64(smallest[band * ROWS + row])) + _STEP
        bands[band] = key


@compiled
def jaccards(values: U64, offsets: I64, one: I64, other: I64) -> F64:
    """Return the Jaccard similarity of pairs of sorted sets that lie end to end in `values`; 0 for two empty ones."""
    found = np.empty(len(one), np.float64)
    for pair in range(len(one)):
        left, right = one[pair], other[pair]
        found[pair] = _jaccard(values[offsets[left] : offsets[left + 1]], values[offsets[right] : offsets[right + 1]])
    return found


@compiled
def _jaccard(one: U64, other: U64) -> float:
    i = j = shared = 0
    while i < len(one) and j < len(other):
        shared += one[i] == other[j]
        step_one, step_other = one[i] <= other[j], other[j] <= one[i]
        i += step_one
        j += step_other
    return shared / max(1, len(one) + len(other) - shared)


@compiled
def hits(text: U8, folds: U32, sizes: I64, grams: U64, is_possible: Mask) -> U64:
    """Return the runs of words of a text, of any of the sizes, that are among `grams`, which are sorted.

    `is_possible` has 1 << FILTER_BITS places, set where a gram ends in the place's bits.
    """
    words = np.empty(len(text) + 1, np.uint64)
    num, _ = words_of(text, folds, words)
    found = np.empty(num * max(1, len(sizes)), np.uint64)
    num_found = 0
    for size in sizes:
        runs = words[:num].copy()
        for run in runs[: runs_of(runs, size)]:
            if is_possible[run & _FILTER_MASK] and _is_among(grams, run):
                found[num_found] = run
                num_found += 1
    return found[:num_found].copy()


@compiled
def _is_among(sorted_values: U64, value: np.uint64) -> bool:
    place = np.searchsorted(sorted_values, value)
    return bool(place < len(sorted_values) and sorted_values[place] == value)
