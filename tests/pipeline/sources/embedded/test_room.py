from __future__ import annotations

import numpy as np
import pytest

from pipeline.audio import SAMPLE_RATE, Samples
from pipeline.sources.embedded.room import CONDITIONS, PEAK, background, place


def tones() -> Samples:
    """Two bursts of 1 kHz and 6 kHz with a second of digital silence between them."""
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    burst = (0.5 * np.sin(2 * np.pi * 1000 * t) + 0.5 * np.sin(2 * np.pi * 6000 * t)).astype(np.float32)
    return np.concatenate([burst, np.zeros(SAMPLE_RATE, np.float32), burst])


def level_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples)) + 1e-12))


def heard(condition: str, seed: int = 0) -> Samples:
    return place(tones(), condition, np.random.default_rng(seed))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_keeps_the_length_and_never_clips(condition: str) -> None:
    samples = heard(condition)
    assert samples.dtype == np.float32 and len(samples) == len(tones())
    assert 0.05 < np.abs(samples).max() <= PEAK + 1e-6
    assert np.array_equal(samples, heard(condition))


@pytest.mark.parametrize(
    ("condition", "low", "high"), [("clean", 80, 120), ("light_noise", 14, 31), ("quiet_room", 30, 42)]
)
def test_pauses_are_as_far_below_speech_as_the_condition_says(condition: str, low: float, high: float) -> None:
    samples = heard(condition)
    pause = samples[SAMPLE_RATE * 3 // 2 : SAMPLE_RATE * 19 // 10]
    assert low <= level_db(samples[:SAMPLE_RATE]) - level_db(pause) <= high


def test_a_telephone_passes_1_khz_and_stops_6_khz() -> None:
    spectrum = np.abs(np.fft.rfft(heard("telephone")[:SAMPLE_RATE]))
    assert 20 * np.log10(spectrum[1000] / spectrum[6000]) > 40


def test_a_moving_level_moves() -> None:
    samples = heard("moving_level")
    assert abs(level_db(samples[:4000]) - level_db(samples[-4000:])) > 1


def test_background_has_the_level_asked_for_and_falls_with_frequency() -> None:
    noise = background(SAMPLE_RATE, 0.01, np.random.default_rng(0))
    assert len(noise) == SAMPLE_RATE and level_db(noise) == pytest.approx(-40, abs=0.1)
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert power[100:200].mean() > 5 * power[1600:3200].mean()
