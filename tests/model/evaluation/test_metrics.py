from __future__ import annotations

import pytest
import torch

from model.evaluation.metrics import LossTable, Pair, error_rates, hallucination_rates, text_measures
from model.evaluation.normalisers import BASIC, WHISPER


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


def test_each_utterance_counts_its_errors_and_what_it_invented() -> None:
    pairs = [
        Pair(reference="One two three.", hypothesis="one too three", lang="en"),
        Pair(reference="four", hypothesis="four and so it goes on and so it goes on", lang="en"),
        Pair(reference="", hypothesis="you", lang="en"),
    ]
    counts = {one.name: one.counts_UK.tolist() for one in text_measures(pairs, BASIC)}
    assert counts["wer"] == [[1, 3], [10, 1], [0, 0]]
    assert counts["inserted"] == [[0, 3], [10, 1], [0, 0]]
    assert counts["repeated"] == [[0, 0], [1, 7], [0, 0]]
    assert counts["hallucinated"] == [[0, 1], [1, 1], [0, 0]]
    assert [one.normaliser for one in text_measures(pairs, WHISPER)] == [WHISPER] * 5


def test_languages_without_spaces_are_compared_by_characters() -> None:
    pairs = [Pair(reference="你好世界", hypothesis="你好世间", lang="zh")]
    wer = text_measures(pairs, BASIC)[0]
    assert wer.counts_UK.tolist() == [[1, 4]]
    assert [one.counts_UK.shape[0] for one in text_measures([], BASIC)] == [0] * 5
