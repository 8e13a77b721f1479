"""Sounds of known level, noise, band and tone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline import schema
from pipeline.annotate.sound import SoundAnnotator
from pipeline.audio import SAMPLE_RATE, Samples
from tests.pipeline.annotate.rows import segment, segment_table

TIMES = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
RNG = np.random.default_rng(5)
NOISE = RNG.standard_normal(len(TIMES)).astype(np.float32)
# Bursts of noise, half of the time: what speech is to these measures.
BURSTS = np.where(np.sin(2 * np.pi * 1.5 * TIMES) > 0, 0.1 * NOISE, 0).astype(np.float32)


def measure(samples: Samples) -> dict[str, Any]:
    table = SoundAnnotator().measure(segment_table(segment("r", 0, len(samples) // 16)), samples.astype(np.float32))
    assert table.schema.equals(schema.SOUND)
    return table.to_pylist()[0]


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 30.0])
def test_noise_under_speech_is_measured(snr_db: float) -> None:
    noise = 0.1 / 10 ** (snr_db / 20) * RNG.standard_normal(len(TIMES))
    assert measure(BURSTS + noise)["snr_db"] == pytest.approx(snr_db, abs=2)


def test_flat_tops_are_clipping_at_any_level() -> None:
    assert measure(BURSTS)["clipped_ratio"] < 0.0001
    for level in (1.0, 0.3):
        assert measure(level * np.clip(20 * BURSTS, -1, 1))["clipped_ratio"] > 0.05


@pytest.mark.parametrize("hertz", [1000, 2000, 4000])
def test_the_band_ends_where_it_was_cut(hertz: int) -> None:
    spectrum = np.fft.rfft(BURSTS)
    spectrum[np.fft.rfftfreq(len(BURSTS), 1 / SAMPLE_RATE) > hertz] = 0
    assert measure(np.fft.irfft(spectrum, len(BURSTS)))["bandwidth_hz"] == pytest.approx(hertz + 250, abs=1)


def test_held_tones_are_music_and_noise_is_none() -> None:
    chord = sum(0.1 * np.sin(2 * np.pi * hertz * TIMES) for hertz in (220.0, 440.0, 660.0))
    assert measure(np.asarray(chord))["music_ratio"] > 0.9
    assert measure(BURSTS)["music_ratio"] < 0.1


def test_a_drawn_vowel_is_no_music() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 220 * TIMES)
    assert measure(tone[: 2 * SAMPLE_RATE])["music_ratio"] is None
    assert measure(tone[: 4 * SAMPLE_RATE])["music_ratio"] > 0.9


def test_digital_silence_is_dead_and_has_no_noise() -> None:
    half = BURSTS.copy()
    half[: len(half) // 2] = 0
    assert measure(half)["dead_ratio"] == pytest.approx(0.75, abs=0.05)
    silent = measure(np.zeros(len(TIMES)))
    assert (silent["dead_ratio"], silent["snr_db"], silent["bandwidth_hz"], silent["music_ratio"]) == (
        1.0,
        None,
        None,
        None,
    )


def test_between_dead_pauses_the_noise_is_heard_where_it_sounds() -> None:
    noisy = (BURSTS + 0.001 * NOISE).astype(np.float32)
    dead = np.zeros(5 * SAMPLE_RATE, np.float32)
    burst = 0.1 * NOISE[:SAMPLE_RATE]  # loud all the time: no pause to hear the noise in
    samples = np.concatenate([dead, burst, dead, noisy])
    window = segment("r", 4500, 6000)
    row = SoundAnnotator().measure(segment_table(window), samples).to_pylist()[0]
    assert row["snr_db"] == pytest.approx(40, abs=3)


def test_a_moment_has_no_measures() -> None:
    row = measure(BURSTS[: SAMPLE_RATE // 5])
    assert {value for name, value in row.items() if name != "segment_id"} == {None}
