"""Texts are compared loosely, in every script, and near duplicates share a band as often as the theory says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline import text
from pipeline.dedup import kernels
from pipeline.dedup.folding import folding_table
from pipeline.dedup.kernels import jaccards
from pipeline.dedup.shingles import measure, shingle_sets
from pipeline.dedup.strings import hashes
from tests.pipeline.dedup.corpus import words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, World!", "hello   world"),
        ("Ｈｅｌｌｏ don't", "HELLO DONT"),
        ("ÉTÉ ΣΊΣΥΦΟΣ", "été σίσυφοσ"),
        ("你好，世界", "你 好世界"),
        ("ሰላም፡ዓለም።", "ሰላም ዓለም"),
        ("tab\tand\nline", "tab and line"),
        ("smile 😀 please", "smile please"),
        ("𠀀𠀁", "𠀀 𠀁"),
    ],
)
def test_case_width_marks_and_white_space_do_not_count(one: str, other: str) -> None:
    found = measure(pa.array([one, other]))
    assert found.digests[0].tolist() == found.digests[1].tolist()
    assert found.bands[0].tolist() == found.bands[1].tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [("ab c", "a bc"), ("a b", "b a"), ("one", "One two"), ("été", "ete"), ("你好", "好你"), ("x", "")],
)
def test_words_and_their_order_count(one: str, other: str) -> None:
    found = measure(pa.array([one, other]))
    assert found.digests[0].tolist() != found.digests[1].tolist()


def test_words_are_counted_as_the_text_module_counts_them() -> None:
    texts = ["", "one two three", "  ¿Qué?  ", "你好世界", "እንደምን አደርክ", None]
    assert measure(pa.array(texts)).num_words.tolist() == [0, 3, 1, 2, 2, 0]
    assert measure(pa.array(["pad", *texts])[1:]).num_words.tolist() == [0, 3, 1, 2, 2, 0]


@pytest.mark.parametrize(("code", "count"), [(ord("ß"), ord("ß")), (0x1F600, 0), (ord(" "), 1), (ord("Ａ"), ord("a"))])
def test_a_character_folds_as_the_text_module_folds_it(code: int, count: int) -> None:
    assert folding_table()[code] == count
    assert chr(count) == text.normalise_for_match(chr(code)) or count in (0, 1, ord("ß"))


def test_shingles_are_five_words_or_eight_characters() -> None:
    texts = pa.array(["not asked for", words("w", 12), "甲乙丙丁戊己庚辛壬癸", "just two", None, words("w", 12)])
    sets = shingle_sets(texts[1:]).to_pylist()
    assert [len(found) for found in sets] == [8, 3, 1, 0, 8]
    assert sets[0] == sets[4] == sorted(set(sets[0]))
    assert len(shingle_sets(pa.array([words("w", 5) + " " + words("w", 5)]))[0]) == 5


def test_jaccard_is_that_of_the_sets() -> None:
    rng = np.random.default_rng(0)
    sets = [np.unique(rng.integers(0, 50, size)).astype(np.uint64) for size in (30, 40, 0, 0, 20)]
    offsets = np.append(0, np.cumsum([len(item) for item in sets]))
    one, other = np.array([0, 1, 2, 2, 4]), np.array([1, 4, 3, 0, 4])
    found = jaccards(np.concatenate(sets), offsets, one, other)
    as_sets = [set(item.tolist()) for item in sets]
    expected = [
        len(as_sets[i] & as_sets[j]) / max(1, len(as_sets[i] | as_sets[j])) for i, j in zip(one, other, strict=True)
    ]
    assert found.tolist() == pytest.approx(expected)


def test_near_duplicates_meet_in_a_band_as_often_as_sixteen_of_eight_hashes_promise() -> None:
    pairs = [(words(f"d{number}w", 104), words(f"d{number}w", 92) + words(f" e{number}w", 12)) for number in range(400)]
    one, other = (measure(pa.array(side)).bands for side in zip(*pairs, strict=True))
    # 88 of 100 + 12 shingles are shared: J = 0.786; two texts of nothing in common share no band.
    share = (one == other).any(axis=1).mean()
    assert share == pytest.approx(1 - (1 - 0.786**8) ** 16, abs=0.035)
    assert not (one == np.roll(other, 1, axis=0)).any()


def test_null_hashes_to_nothing_and_equal_strings_alike() -> None:
    found = hashes(pa.array(["a", None, "b", "a"]))
    assert found[0] == found[3] and len(set(found.tolist())) == 3 and found[1] == 0
    assert hashes(pa.array([None], pa.string())).tolist() == [0]


def test_each_hash_belongs_to_one_band() -> None:
    smallest, expected = np.arange(kernels.HASHES, dtype=np.uint32), np.zeros(kernels.BANDS, np.uint64)
    kernels._bands(smallest, expected)
    assert len(set(expected.tolist())) == kernels.BANDS
    for number in range(kernels.HASHES):
        changed, bands = smallest.copy(), np.zeros(kernels.BANDS, np.uint64)
        changed[number] += 1
        kernels._bands(changed, bands)
        assert np.flatnonzero(bands != expected).tolist() == [number // kernels.ROWS]
