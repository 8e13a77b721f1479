"""Speech as silero hears it: the same probabilities as its own graph gives, in blocks of any length."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import silero_vad
import torch

from pipeline import voice
from pipeline.audio import SAMPLE_RATE, Samples
from pipeline.sources.embedded.voice import speak
from pipeline.voice import FRAME, find_speech, silero, speech_probs


def talk(seconds: float) -> Samples:
    """Speech with pauses, in a little noise."""
    sentence = "There will be rain in the north today. " * 6
    spoken = speak(sentence, voice="en-us", rate_wpm=150, pitch=50)[: round(seconds * SAMPLE_RATE)]
    noise = np.random.default_rng(1).standard_normal(len(spoken)).astype(np.float32)
    spoken[SAMPLE_RATE : 2 * SAMPLE_RATE] = 0
    return (0.5 * spoken / np.abs(spoken).max() + 0.001 * noise).astype(np.float32)


@pytest.mark.parametrize("num_samples", [1, FRAME - 1, FRAME, 5 * FRAME + 100, 10 * SAMPLE_RATE])
def test_probabilities_are_those_of_sileros_own_graph(num_samples: int) -> None:
    samples = talk(10)[:num_samples]
    model: Any = silero_vad.load_silero_vad(sequence=True)
    assert speech_probs(samples) == pytest.approx(model.audio_forward(samples), abs=2e-4)


def test_regions_are_those_ofsilero() -> None:
    samples = talk(10)
    found = silero_vad.get_speech_timestamps_sequence(samples, silero_vad.load_silero_vad(sequence=True))
    assert find_speech(samples) == [(row["start"] // 16, row["end"] // 16) for row in found]
    assert len(found) > 1


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = talk(5)
    whole = speech_probs(samples)
    monkeypatch.setattr(voice, "_BLOCK", 7)
    assert speech_probs(samples) == pytest.approx(whole, abs=1e-5)


def test_no_samples_and_silence_hold_no_speech() -> None:
    assert find_speech(np.zeros(0, dtype=np.float32)) == []
    assert find_speech(np.zeros(3 * SAMPLE_RATE, dtype=np.float32)) == []


def test_listening_leaves_the_threads_of_torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "silero_vad"]:
        monkeypatch.delitem(sys.modules, name)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        silero.__wrapped__()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
