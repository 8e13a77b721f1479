"""Text as error rates compare it, by either normaliser."""

from __future__ import annotations

import pytest

from model.evaluation.normalisers import BASIC, WHISPER, normalise
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        ("Turn  LEFT, at the bank!", "en", "turn left at the bank"),
        ("¿Qué tal? —Bien…", "es", "qué tal bien"),
        ("ሰላም፡ ለዓለም።", "am", "ሰላም ለዓለም"),
        ("5 € + 3 $", "en", "5 3"),
        ("ﬁne ①", "en", "fine 1"),
        ("हिन्दी में।", "hi", "हिन्दी में"),
        ("你好，世界", "zh", "你 好 世 界"),
        ("ที่นี่", "th", "ที่ นี่"),
        ("...", "und", ""),
    ],
)
def test_text_is_folded_without_breaking_words(text: str, lang: str, expected: str) -> None:
    assert normalise(BASIC, text, lang) == expected


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        ("The colour's twenty-one, isn't it? [laughs]", "en", "the color is 21 is not it"),
        ("Mr. Brown paid $20 million (really).", "en", "mister brown paid $20000000"),
        ("¿Qué tal? (ríe)", "es", "qué tal"),
        ("你好，世界", "zh", "你 好 世 界"),
        ("ሰላም፡ ለዓለም።", "am", "ሰላም ለዓለም"),
    ],
)
def test_whispers_own_normalisers_are_those_of_published_numbers(text: str, lang: str, expected: str) -> None:
    assert normalise(WHISPER, text, lang) == expected


def test_whispers_basic_normaliser_breaks_words_of_scripts_with_marks() -> None:
    assert normalise(WHISPER, "हिन्दी", "hi").split() != ["हिन्दी"]


def test_a_normaliser_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(UserError, match="normaliser 'whispr' does not exist; .* did you mean 'whisper'"):
        normalise("whispr", "a", "en")
