"""Scripts of literal texts."""

from __future__ import annotations

import pytest

from pipeline.annotate import scripts

TEXTS = [
    ("Rain in the north", "Latn"),
    ("Дождь на севере, OK", "Cyrl"),
    ("ዝናብ በሰሜን NATO", "Ethi"),
    ("すべての人間は自由である", "Hira"),
    ("カタカナ", "Hira"),
    ("東京都知事選挙の結果", "Hira"),
    ("今天北方有雨", "Hani"),
    ("오늘 비", "Hang"),
    ("आज बारिश", "Deva"),
    ("123 ♪ !", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "script"), TEXTS)
def test_the_script_of_most_letters_is_found(text: str, script: str | None) -> None:
    assert scripts.dominant(text) == script


@pytest.mark.parametrize(
    ("script", "languages"),
    [
        ("Ethi", ("am",)),
        ("Grek", ("el",)),
        ("Hira", ("ja",)),
        ("Hani", ("zh", "ja", "yue")),
        ("Hebr", ("he", "yi")),
        ("Xxxx", ()),
    ],
)
def test_a_script_names_its_languages(script: str, languages: tuple[str, ...]) -> None:
    assert scripts.languages_of(script) == languages


@pytest.mark.parametrize(
    ("script", "spaced"),
    [("Latn", True), ("Hang", True), ("Hani", False), ("Hira", False), ("Thai", False), (None, True)],
)
def test_scripts_without_spaces_are_known(script: str | None, spaced: bool) -> None:
    assert scripts.spaces_words(script) == spaced
