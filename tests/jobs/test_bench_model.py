"""The model's benchmarks print tables, and what they compare says the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.benchmarks import decode, model
from jobs.benchmarks.decode import DecodeBench, bench_decode
from jobs.benchmarks.mel import MelBench, bench_mel
from jobs.benchmarks.model import ModelBench, bench_model
from jobs.benchmarks.tokens import TokenBench, bench_tokens
from jobs.benchmarks.turns import ratio


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure a model of one layer and width 16."""
    sizes = {"n_audio_state": 16, "n_audio_head": 2, "n_audio_layer": 1}
    sizes |= {"n_text_state": 16, "n_text_head": 2, "n_text_layer": 1}
    for module in (decode, model):
        monkeypatch.setattr(module, "TINY", replace(decode.TINY, **sizes))


def test_features_are_those_of_transformers() -> None:
    _, _, ours, theirs, *_ = bench_mel(MelBench(n_mels=80, num_rounds=1))
    assert ours.startswith("| sotto |") and theirs.startswith("| transformers |")
    assert float(ours.split("|")[-2]) <= 1e-4


@pytest.mark.usefixtures("narrow")
def test_engines_are_compared_on_the_same_windows() -> None:
    lines = list(bench_decode(DecodeBench(batch_size=1, window_s=2, num_tokens=2, num_rounds=1, peers=False)))
    names = [line.split("|")[1].strip() for line in lines[3:]]
    assert names == ["sotto", "sotto int8", "sotto short", "sotto int8 short"]
    assert lines[3].endswith("| 100% |")


@pytest.mark.usefixtures("narrow")
def test_a_training_step_is_compared() -> None:
    settings = ModelBench(batch_size=1, window_s=1, num_tokens=2, num_rounds=1, peak_tflops=1.0)
    *_, ours, theirs = bench_model(settings)
    assert ours.startswith("| sotto |") and theirs.startswith("| transformers |")


def test_tokens_are_counted_on_what_was_held_out(tmp_path: Path) -> None:
    (tmp_path / "am.txt").write_text("ሰላም ለዓለም\n" * 10, encoding="utf-8")
    *_, row = bench_tokens(TokenBench(folder=str(tmp_path), size=270))
    assert row == "| am | 16 | 4 | 10.50 | 1.00 |"
    rows = list(bench_tokens(TokenBench(folder=None, size=300)))[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["en", "es", "sw", "am"]


def test_a_ratio_is_the_median_over_pairs_of_rounds() -> None:
    assert ratio({"a": [1.0, 1.0, 2.0], "b": [2.0, 3.0, 4.0]}, "a", "b") == 2.0
