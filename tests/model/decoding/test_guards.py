"""Loops, captions' last words and text on silence."""

from __future__ import annotations

import pytest

from model.decoding.guards import compression_ratio, is_boilerplate, is_hallucination, loop_length


@pytest.mark.parametrize(
    ("tokens", "max_repeats", "expected"),
    [
        ([1, 2, 3] * 2, 5, 0),
        ([9, *[1, 2, 3] * 6], 5, 15),
        ([9, *[7] * 11], 5, 0),  # too short to be one: "no, no, no" is speech
        ([9, *[7] * 12], 5, 11),
        ([*[7] * 30, 1], 5, 0),  # over already
        (list(range(25)) * 7, 5, 0),  # longer than a phrase
        ([1, 2] * 5, 5, 0),
    ],
)
def test_a_loop_is_what_is_said_too_often_at_the_end(tokens: list[int], max_repeats: int, expected: int) -> None:
    assert loop_length(tokens, max_repeats) == expected


def test_repetition_compresses() -> None:
    assert compression_ratio("so it goes on and " * 20) > 2.4 > compression_ratio("The quick brown fox jumps over dogs")


@pytest.mark.parametrize(
    "text", ["Thanks for watching!", " THANK YOU FOR WATCHING. ", "ご視聴ありがとうございました。"]
)
def test_boilerplate_is_known_whatever_its_case_and_marks(text: str) -> None:
    assert is_boilerplate(text)
    assert not is_boilerplate(f"{text} and he went home")


@pytest.mark.parametrize(
    ("text", "speech_share", "no_speech_prob", "expected"),
    [
        ("He went home.", 0.0, 0.0, True),
        ("He went home.", 0.1, 0.9, False),
        ("Thanks for watching", 0.1, 0.0, True),
        ("Thanks for watching", 0.9, 0.9, False),
        ("Thanks for watching", None, 0.5, True),
        ("Thanks for watching", None, 0.1, False),
        ("He went home.", None, 0.9, False),
    ],
)
def test_text_without_speech_is_none(text: str, speech_share: float, no_speech_prob: float, expected: bool) -> None:
    assert is_hallucination(text, speech_share, no_speech_prob) == expected
