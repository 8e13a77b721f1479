"""Habits of documents and counts of windows, on literal captions."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import schema
from pipeline.annotate.text_stats import TextStatsAnnotator
from tests.pipeline.annotate.rows import recording_table, said, segment_table


def measure(*texts: str | None) -> list[dict[str, Any]]:
    table = TextStatsAnnotator().measure(segment_table(*said("r", *texts)), recording_table())
    assert table.schema.equals(schema.TEXT_STATS)
    return table.to_pylist()


# text, (characters, words), (all upper, all lower), sentence marks per word, repeated lines
CASES = [
    ("Rain in the north.\nSun, too.", (28, 6), (False, False), 0.5, 0.0),
    ("RAIN IN THE NORTH\nSUN TOO", (25, 6), (True, False), 0.0, 0.0),
    ("rain in the north\nsun too", (25, 6), (False, True), 0.0, 0.0),
    ("rain\nRain!\nrain\nsun", (19, 4), (False, False), 0.25, 0.5),
    ("ዝናብ በሰሜን ነው።", (12, 3), (None, None), 1 / 3, 0.0),
    ("今天北方有雨。明天晴。", (11, 5), (None, None), None, 0.0),
    ("วันนี้ฝนตก", (10, 5), (None, None), None, 0.0),
    ("12 345", (6, 2), (None, None), 0.0, 0.0),
    ("♪ ♪", (3, 0), (None, None), None, 0.0),
]


@pytest.mark.parametrize(("text", "counts", "casing", "punctuation", "repeated"), CASES)
def test_a_document_is_measured(
    text: str, counts: Any, casing: Any, punctuation: float | None, repeated: float
) -> None:
    [row] = measure(text)
    assert (row["num_chars"], row["num_words"]) == counts
    assert (row["is_all_upper"], row["is_all_lower"]) == casing
    assert row["punctuation_per_word"] == (None if punctuation is None else pytest.approx(punctuation))
    assert row["repeated_line_ratio"] == pytest.approx(repeated)


def test_habits_belong_to_the_whole_document_and_counts_to_the_window() -> None:
    rows = measure("rain", None, "rain. Sun")
    assert [row["num_words"] for row in rows] == [1, None, 2]
    assert [row["num_chars"] for row in rows] == [4, None, 9]
    assert {row["is_all_lower"] for row in rows} == {False}
    assert {row["punctuation_per_word"] for row in rows} == {1 / 3}


def test_a_recording_without_captions_has_no_measurements() -> None:
    [row] = measure(None)
    assert set(row.values()) == {"r:0", None}


def test_documents_do_not_mix() -> None:
    table = segment_table(*said("a", "RAIN"), *said("b", "rain"))
    upper = TextStatsAnnotator().measure(table, recording_table())["is_all_upper"].to_pylist()
    assert upper == [True, False]
