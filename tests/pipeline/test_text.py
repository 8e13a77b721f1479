"""Repair, words, sentence marks and loose comparison, one case per line."""

from __future__ import annotations

import pytest

from pipeline import text

REPAIRS = [
    ("Rain  in\tthe\n north ", "Rain in the north"),
    ("Tom &amp; Ann&nbsp;said &#39;hi&#39;", "Tom & Ann said 'hi'"),
    ("dÃ©jÃ  vu", "déjà vu"),
    ("donâ€™t", "don’t"),
    ("e\u0301te\u0301", "été"),
    ("zero\u200bwidth\ufeff \u202abidi\u202c so\u00adft", "zerowidth bidi soft"),
    ("bell\x07 and \x1b[31mred\x1b[0m", "bell and red"),
    ("one\x1ctwo", "one two"),
    ("lone \ud800 surrogate", "lone surrogate"),
    ("stray\u200d joiner\u200c", "stray joiner"),
    ("می\u200cخواهم", "می\u200cخواهم"),
    ("क्\u200dष", "क्\u200dष"),
    ("“quotes” ﬁne ＡＢ", "“quotes” ﬁne ＡＢ"),
    ("ዝናብ በሰሜን ይጠበቃል።", "ዝናብ በሰሜን ይጠበቃል።"),
    ("", ""),
]

WORDS = [
    ("Rain, in the north - 7 mm", True, ["Rain,", "in", "the", "north", "7", "mm"]),
    ("♪ ... ♪", True, []),
    ("ዝናብ፡በሰሜን፡ነው።", True, ["ዝናብ", "በሰሜን", "ነው።"]),
    ("今天北方有雨。", False, ["今天", "北方", "有雨"]),
    ("雨が 降る", False, ["雨が", "降る"]),
    ("", False, []),
]

MARKS = [
    ("Rain, then sun. Really? Yes!", 4),
    ("3.5 or 1,000 of them", 0),
    ("it costs 7, or 8.", 2),
    ("wait... what?!", 2),
    ("ዝናብ ነው። ነገ፣ ፀሐይ፤ ከዚያ፥ በረዶ፦ እሺ፧", 6),
    ("مطر، ثم شمس؟", 2),
    ("آج بارش ہوگی۔", 1),
    ("今天有雨、明天晴。真的？好！", 4),
    ("आज बारिश होगी।", 1),
    ("Այսօր անձրև է։", 1),
    ("วันนี้ฝนตก", 0),
    ("rain then sun", 0),
]

SAME = [
    ("Rain, in the NORTH!", "rain in the north"),
    ("STRASSE", "straße"),
    ("ＡＢＣ １２", "abc 12"),
    ("don’t", "don't"),
    ("e\u0301", "É"),
]


@pytest.mark.parametrize(("raw", "repaired"), REPAIRS)
def test_repair_mends_damage_and_keeps_spelling(raw: str, repaired: str) -> None:
    assert text.repair(raw) == repaired


@pytest.mark.parametrize("repaired", [repaired for _, repaired in REPAIRS])
def test_repaired_text_is_left_alone(repaired: str) -> None:
    assert text.repair(repaired) == repaired


@pytest.mark.parametrize(("raw", "mended"), [("sÃ³", "só"), ("só", "só"), ("plain", "plain"), ("“ok”", "“ok”")])
def test_encoding_is_mended_only_where_it_is_broken(raw: str, mended: str) -> None:
    assert text.mend_encoding(raw) == mended


@pytest.mark.parametrize(("raw", "spaces_words", "expected"), WORDS)
def test_words_hold_a_letter_or_digit(raw: str, spaces_words: bool, expected: list[str]) -> None:
    assert text.words(raw, spaces_words) == expected


@pytest.mark.parametrize(("raw", "expected"), MARKS)
def test_sentence_marks_are_counted_in_every_script(raw: str, expected: int) -> None:
    assert text.sentence_marks(raw) == expected


@pytest.mark.parametrize(("one", "other"), SAME)
def test_case_width_and_punctuation_do_not_make_texts_differ(one: str, other: str) -> None:
    assert text.normalise_for_match(one) == text.normalise_for_match(other)


def test_vowel_signs_and_accents_make_texts_differ() -> None:
    assert text.normalise_for_match("कि") != text.normalise_for_match("की")
    assert text.normalise_for_match("papa") != text.normalise_for_match("papá")
