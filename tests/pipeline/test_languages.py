"""The language table: slots are frozen, scripts say what text can look like."""

from __future__ import annotations

import hashlib

import pytest

from pipeline.errors import UserError
from pipeline.languages import LANGUAGES, code_of, language


@pytest.mark.parametrize(
    ("code", "slot"),
    [("en", 0), ("zh", 1), ("es", 3), ("fr", 6), ("am", 75), ("sw", 59), ("haw", 93), ("su", 98), ("yue", 99)],
)
def test_slots_are_openais(code: str, slot: int) -> None:
    assert language(code).slot == slot


def test_the_whole_order_is_openais() -> None:
    # sha256 of list(LANGUAGES) of openai-whisper 20250625, joined by spaces.
    codes = " ".join(sorted(LANGUAGES, key=lambda code: LANGUAGES[code].slot))
    assert hashlib.sha256(codes.encode()).hexdigest() == (
        "cb881fc55ba255fc143fb066106f956bdfbbadbfa12d6e13cab134cd01565c05"
    )


def test_slots_are_dense_and_used_once() -> None:
    assert sorted(entry.slot for entry in LANGUAGES.values()) == list(range(len(LANGUAGES)))


@pytest.mark.parametrize(
    ("code", "scripts", "has_case", "spaces_words"),
    [
        ("en", ("Latn",), True, True),
        ("am", ("Ethi",), False, True),
        ("ru", ("Cyrl",), True, True),
        ("ka", ("Geor",), False, True),
        ("ja", ("Hira", "Kana", "Hani"), False, False),
        ("th", ("Thai",), False, False),
        ("ko", ("Hang",), False, True),
    ],
)
def test_scripts_tell_case_and_spaces(code: str, scripts: tuple[str, ...], has_case: bool, spaces_words: bool) -> None:
    entry = language(code)
    assert (entry.scripts, entry.has_case, entry.spaces_words) == (scripts, has_case, spaces_words)


def test_an_unknown_language_is_named_with_the_nearest_code() -> None:
    with pytest.raises(UserError, match=r"language 'hawa' does not exist; have .*; did you mean 'haw'\?"):
        language("hawa")


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("pt-BR", "pt"),
        (" EN_us", "en"),
        ("deu", "de"),
        ("ger", "de"),
        ("iw", "he"),
        ("nb-NO", "no"),
        ("fil", "tl"),
        ("zh-Hant", "zh"),
        ("zh-yue", "yue"),
        ("yue-HK", "yue"),
        ("haw", "haw"),
        ("English", "en"),
        ("eo", "eo"),  # a language Whisper lacks is still one
        ("und", None),
        ("", None),
        ("x-klingon", None),
        ("none at all", None),
    ],
)
def test_a_tag_names_a_language_in_many_ways(tag: str, expected: str | None) -> None:
    assert code_of(tag) == expected
