"""From raw text to what documents are compared by: a hash of all its words, its set of shingles, its MinHash bands.

A shingle is a run of words; of characters where words are not spaced. Words are compared loosely (see folding.py).
Everything is a pure function of the text, so that signatures made years apart can meet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.dedup.folding import folding_table
from pipeline.dedup.kernels import BANDS, CHARS_PER_WORD, I64, U64, measure_texts, runs_of, shingle_sets_of, words_of
from pipeline.dedup.strings import buffers


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What a batch of texts is compared by; row i of every array is text i."""

    num_words: I64  # characters / CHARS_PER_WORD where words are not spaced
    digests: U64  # (texts, 2): a hash of all words in order
    bands: U64  # (texts, BANDS): texts that share one may be near duplicates; meaningless without words


def measure(texts: pa.Array) -> Texts:
    """Measure a batch of texts; null counts as empty."""
    data, offsets = buffers(texts)
    num = len(texts)
    results = np.zeros(num, np.int64), np.zeros((num, 2), np.uint64), np.zeros((num, BANDS), np.uint64)
    measure_texts(data, offsets, folding_table(), results)
    return Texts(num_words=results[0], digests=results[1], bands=results[2])


def shingle_sets(texts: pa.Array) -> pa.LargeListArray:
    """Return each text's set of shingles, sorted."""
    data, offsets = buffers(texts)
    values, starts = shingle_sets_of(data, offsets, folding_table())
    return pa.LargeListArray.from_arrays(pa.array(starts), pa.array(values))


def grams_of(text: str, min_words: int, max_words: int) -> tuple[int, U64]:
    """Return the words in each n-gram of a text and the n-grams' hashes: the whole text where it is short."""
    data = np.frombuffer(text.encode(), np.uint8)
    words = np.empty(len(data), np.uint64)
    num, num_unspaced = words_of(data, folding_table(), words)
    per_word = CHARS_PER_WORD if 2 * num_unspaced > num else 1
    size = min(num, max_words * per_word)
    if size < min_words * per_word:
        return size, words[:0]
    return size, np.unique(words[: runs_of(words[:num], size)])
