"""Changed sound keeps its text and times, and no window gets too long."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from model.data.augment import (
    Augment,
    change_sound,
    draw_masks,
    in_a_room,
    join,
    made_up_noise,
    made_up_room,
    with_noise,
)
from model.data.corpus import parse_sample
from model.sample import Cue, Sample
from tests.model.tiny_shards import Window


def tone(duration_ms: int) -> Sample:
    cue = Cue(start_ms=100, end_ms=duration_ms - 100, text="one")
    window = Window(kind="transcribe", lang="en", number=0, duration_ms=duration_ms)
    return replace(parse_sample({"flac": window.flac(), "json": _described(window)}), cues=(cue,))


def _described(window: Window) -> bytes:
    return json.dumps(window.described()).encode()


def test_joined_windows_keep_the_times_of_their_cues() -> None:
    joined = join(tone(500), tone(700))
    assert joined.duration_ms == 1200 and joined.text == "one one"
    assert [(cue.start_ms, cue.end_ms) for cue in joined.cues] == [(100, 400), (600, 1100)]
    assert joined.audio is not None and len(joined.audio) == 1200 * 16


@pytest.mark.parametrize("seed", range(5))
def test_speed_moves_the_cues_with_the_sound_and_keeps_the_longest_window(seed: int) -> None:
    sample = tone(1000)
    changed = change_sound(sample, Augment(speed=0.1), np.random.default_rng(seed), max_ms=1020)
    assert changed.audio is not None and changed.duration_ms <= 1020
    factor = 1000 / changed.duration_ms
    assert 0.97 < factor < 1.11 and factor != 1.0
    assert changed.cues[0].start_ms == pytest.approx(100 / factor, abs=1)
    assert len(changed.audio) == pytest.approx(16 * changed.duration_ms, abs=16)


def test_no_augmentation_changes_nothing() -> None:
    sample = tone(600)
    changed = change_sound(sample, Augment(), np.random.default_rng(0), max_ms=1500)
    np.testing.assert_array_equal(changed.audio, sample.audio)
    assert replace(changed, audio=None) == replace(sample, audio=None)


def level(audio: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))


@pytest.mark.parametrize("colour", [0.0, 1.0, 2.0])
def test_noise_has_the_level_and_colour_asked_for(colour: float) -> None:
    audio = tone(1000).audio
    assert audio is not None
    made = made_up_noise(len(audio), colour, np.random.default_rng(0))
    noise = with_noise(audio, made, 12.0) - audio
    assert 20 * np.log10(level(audio) / level(noise)) == pytest.approx(12.0, abs=0.1)
    power = np.abs(np.fft.rfft(noise)) ** 2
    low, high = power[100:200].mean(), power[3200:6400].mean()  # five octaves apart
    assert np.log2(low / high) / 5 == pytest.approx(colour, abs=0.1)


def test_a_room_keeps_length_and_level_and_leaves_an_echo() -> None:
    click = np.zeros(16_000, dtype=np.float32)
    click[1000] = 1.0
    wet = in_a_room(click, made_up_room(400.0, np.random.default_rng(0)))
    assert len(wet) == len(click) and level(wet) == pytest.approx(level(click), rel=1e-3)
    assert not wet[:999].any() or np.abs(wet[:999]).max() < 1e-6
    early, late = level(wet[1100:2100]), level(wet[4900:5900])  # 3800 samples later: 0.24 s of 0.4 s, 36 dB down
    assert 20 * np.log10(early / late) == pytest.approx(36.0, abs=2.0)


def test_noise_and_rooms_come_as_often_as_asked() -> None:
    augment, sample = Augment(noise_prob=0.5), tone(300)
    assert sample.audio is not None
    draws = [change_sound(sample, augment, np.random.default_rng(seed), max_ms=1500).audio for seed in range(200)]
    assert sum(not np.array_equal(audio, sample.audio) for audio in draws) == pytest.approx(100, abs=20)


def test_masks_lie_inside_the_spectrogram() -> None:
    freq, time = draw_masks(
        Augment(freq_masks=2, max_freq_mask=20, time_masks=2, max_time_mask=9),
        num_samples=16_000,
        n_mels=80,
        rng=np.random.default_rng(1),
    )
    assert freq.shape == time.shape == (2, 2)
    assert (freq >= 0).all() and (freq <= 80).all() and (time <= 100).all()
    assert (np.diff(freq, axis=1) <= 20).all() and (np.diff(time, axis=1) <= 9).all()
