"""Habits of documents and counts of windows, on literal captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pipeline import schema
from pipeline.annotate.style import MIN_CASED_WORDS, MIN_WORDS
from pipeline.annotate.text_stats import TextStatsAnnotator
from tests.pipeline.annotate.rows import recording_table, said, segment_table


class Letters:
    """A vocabulary in which every letter is a token."""

    def identity(self) -> dict[str, Any]:
        return {"vocabulary": "letters"}

    def counts(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]


def measure(*texts: str | None, annotator: TextStatsAnnotator | None = None) -> list[dict[str, Any]]:
    annotator = annotator or TextStatsAnnotator()
    table = annotator.measure(segment_table(*said("r", *texts)), recording_table())
    assert table.schema.equals(schema.TEXT_STATS)
    return table.to_pylist()


# text, (characters, words), (all upper, all lower), sentence marks per word
CASES = [
    ("Rain in the north. Sun, too. " * 6, (173, 36), (False, False), 0.5),
    ("RAIN IN THE NORTH SUN TOO " * 6, (155, 36), (True, False), 0.0),
    ("rain in the north sun too " * 6, (155, 36), (False, True), 0.0),
    ("rain in the north sun too " * 2, (51, 12), (False, True), None),
    ("rain in the north", (17, 4), (None, None), None),
    ("ዝናብ በሰሜን ነው። " * 10, (129, 30), (None, None), 1 / 3),
    ("여기서 x 는 y 입니다. " * 12, (179, 60), (None, None), 1 / 5),
    ("今天北方有雨。明天晴。" * 8, (88, 36), (None, None), None),
    ("วันนี้ฝนตก" * 8, (80, 40), (None, None), None),
    ("12 345 " * 15, (104, 30), (None, None), 0.0),
    ("♪ ♪", (3, 0), (None, None), None),
]


@pytest.mark.parametrize(("text", "counts", "casing", "punctuation"), CASES)
def test_a_document_is_measured(text: str, counts: Any, casing: Any, punctuation: float | None) -> None:
    [row] = measure(text.strip())
    assert (row["num_chars"], row["num_words"]) == counts
    assert (row["is_all_upper"], row["is_all_lower"]) == casing
    assert row["punctuation_per_word"] == (None if punctuation is None else pytest.approx(punctuation))


@pytest.mark.parametrize(("text", "ratio"), [("rain\nRain!\nrain\nsun", 0.5), ("rain\nsun\nrain", 0.0)])
def test_lines_said_twice_running_are_repeated(text: str, ratio: float) -> None:
    assert measure(text)[0]["repeated_line_ratio"] == pytest.approx(ratio)


def test_letters_of_two_bytes_do_not_make_a_text_compressible() -> None:
    plain = "Kto prishel, tot i nashel dorogu domoj, a ostalnye zhdali u reki do samogo utra."
    same_shape = plain.translate(
        {ord(letter): ord("а") + number for number, letter in enumerate("abdeghiklmnoprstuyz")}
    )
    latin, cyrillic = (measure(text)[0]["compression_ratio"] for text in (plain, same_shape))
    assert cyrillic == pytest.approx(latin, abs=0.05)


def test_a_phrase_has_no_habits() -> None:
    phrase = "from an unknown caller"
    row = measure(phrase)[0]
    assert len(phrase.split()) < MIN_CASED_WORDS < MIN_WORDS
    assert (row["is_all_lower"], row["is_all_upper"], row["punctuation_per_word"]) == (None, None, None)


def test_tokens_are_estimated_or_counted_by_a_vocabulary() -> None:
    assert [row["num_tokens"] for row in measure("rain in the north", None, "sun")] == [8, None, 2]
    counted = measure("rain in the north", None, "sun", annotator=TextStatsAnnotator(tokens=Letters()))
    assert [row["num_tokens"] for row in counted] == [17, None, 3]


def test_habits_belong_to_the_whole_document_and_counts_to_the_window() -> None:
    rows = measure("rain " * 20, None, "rain. Sun " * 5)
    assert [row["num_words"] for row in rows] == [20, None, 10]
    assert [row["num_chars"] for row in rows] == [100, None, 50]
    assert {row["is_all_lower"] for row in rows} == {False}
    assert {row["punctuation_per_word"] for row in rows} == {5 / 30}


def test_a_recording_without_captions_has_no_measurements() -> None:
    [row] = measure(None)
    assert set(row.values()) == {"r:0", None}


def test_documents_do_not_mix() -> None:
    table = segment_table(*said("a", "RAIN " * 12), *said("b", "rain " * 12))
    upper = TextStatsAnnotator().measure(table, recording_table())["is_all_upper"].to_pylist()
    assert upper == [True, False]
