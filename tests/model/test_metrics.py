from __future__ import annotations

import pytest
import torch

from model.metrics import LossTable, error_rates, hallucination_rates, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Turn  LEFT, at the bank!", "turn left at the bank"),
        ("¿Qué tal? —Bien…", "qué tal bien"),
        ("ሰላም፡ ለዓለም።", "ሰላም ለዓለም"),
        ("5 € + 3 $", "5 3"),
        ("ﬁne ①", "fine 1"),
        ("हिन्दी", "हिन्दी"),
        ("...", ""),
    ],
)
def test_text_is_folded_without_breaking_words(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_error_rates_are_counted_over_all_words_and_characters_together() -> None:
    rates = error_rates(["One two three.", "four"], ["one too three", "FOUR five"])
    assert rates == pytest.approx({"wer": 2 / 4, "cer": 6 / 17})


def test_references_without_words_are_left_out() -> None:
    assert error_rates(["", "one"], ["hello", "one"]) == {"wer": 0.0, "cer": 0.0}
    assert error_rates(["..."], ["hello"]) == {}


def test_losses_are_means_per_token_of_each_task_and_language_and_of_all() -> None:
    table = LossTable(torch.device("cpu"))
    assert table.means() == {}
    tasks, langs = ("transcribe", "translate", "transcribe"), ("sw", "am", "sw")
    table.add(tasks, langs, torch.tensor([2.0, 9.0, 4.0]), torch.tensor([1, 3, 2]))
    table.add(("no_speech",), ("und",), torch.tensor([0.0]), torch.tensor([4]))
    assert table.means() == {"all": 1.5, "transcribe-sw": 2.0, "translate-am": 3.0, "no_speech-und": 0.0}


def test_hallucinations_are_words_inserted_and_phrases_said_again() -> None:
    rates = hallucination_rates(["One two three four.", ""], ["one two three four so it goes so it goes so it", "x"])
    assert rates["inserted"] == 8 / 4
    assert rates["repeated"] == 1 - 7 / 8
    assert hallucination_rates([""], ["x"]) == {}
    assert hallucination_rates(["one"], ["one"]) == {"inserted": 0.0, "repeated": 0.0}
