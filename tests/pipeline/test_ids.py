"""Keys and numbers are what data roots already hold: they never change."""

from __future__ import annotations

from pipeline.ids import key_of, number_of


def test_a_key_is_that_of_its_parts_in_order() -> None:
    assert key_of("a", "b") == "0c84cf75ee142f818515ab54bd107d86"
    assert key_of("b", "a") != key_of("a", "b") != key_of("ab")


def test_a_number_has_64_bits_and_sorts_as_its_digits_do() -> None:
    assert number_of("a") == 4681665781835383343
    texts = [str(number) for number in range(50)]
    assert sorted(texts, key=number_of) == sorted(texts, key=lambda text: f"{number_of(text):016x}")
