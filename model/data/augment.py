"""Changes to training examples: two windows joined, speed, room, noise, loudness, and SpecAugment's masks.

What changes the time axis changes the cues with it, so timestamps stay true. Every draw comes from the caller's
generator. Evaluation uses none of this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import soxr
from numpy.random import Generator
from numpy.typing import NDArray

from model.mel import HOP, SAMPLE_RATE
from model.sample import Cue, Sample
from model.tasks.base import Encoded

SAMPLES_PER_MS = SAMPLE_RATE // 1000
Audio = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment:
    """How strongly examples are changed; all zero is no change.

    `join_prob`: chance that a window is followed by another of its stream. `speed`: largest relative change of
    speed (and pitch). `reverb_prob`: chance of a room whose reverberation time (RT60) lies between `reverb_ms`.
    `noise_prob`: chance of noise of a drawn colour, from white to brown, at a signal-to-noise ratio between
    `noise_snr_db`. `gain_db`: largest change of loudness. `token_noise`: chance that the decoder is given a random
    text token in place of a right one, so that it cannot live on its memory of the texts. Masks are SpecAugment's
    (Park et al. 2019), widths in mel bins and in frames.
    """

    join_prob: float = 0.0
    speed: float = 0.0
    gain_db: float = 0.0
    noise_prob: float = 0.0
    noise_snr_db: tuple[float, float] = (5.0, 30.0)
    reverb_prob: float = 0.0
    reverb_ms: tuple[int, int] = (100, 800)
    token_noise: float = 0.0
    freq_masks: int = 0
    max_freq_mask: int = 0
    time_masks: int = 0
    max_time_mask: int = 0


def join(first: Sample, second: Sample) -> Sample:
    """Return the second window after the first, as one."""
    assert first.audio is not None and second.audio is not None
    moved = tuple(_shifted(cue, first.duration_ms) for cue in second.cues)
    return replace(
        first,
        text=f"{first.text} {second.text}",
        cues=first.cues + moved,
        duration_ms=first.duration_ms + second.duration_ms,
        audio=np.concatenate([first.audio, second.audio]),
    )


def change_sound(sample: Sample, augment: Augment, rng: Generator, max_ms: int) -> Sample:
    """Return the sample at a drawn speed, in a drawn room, noise and loudness, never longer than `max_ms`."""
    assert sample.audio is not None
    slowest = max(1.0 - augment.speed, sample.duration_ms / max_ms)
    factor = max(slowest, 1.0 + augment.speed * rng.uniform(-1.0, 1.0))
    if augment.speed:
        sample = _at_speed(sample, factor)
    assert sample.audio is not None
    audio = sample.audio
    if rng.random() < augment.reverb_prob:
        audio = in_a_room(audio, rng.uniform(*augment.reverb_ms), rng)
    if rng.random() < augment.noise_prob:
        audio = with_noise(audio, rng.uniform(*augment.noise_snr_db), rng.uniform(0.0, 2.0), rng)
    return replace(sample, audio=audio * np.float32(_ratio(augment.gain_db * rng.uniform(-1.0, 1.0))))


def in_a_room(audio: Audio, rt60_ms: float, rng: Generator) -> Audio:
    """Return the sound with the echo of a room: noise that decays by 60 dB in this time, as loud as the direct sound.

    Length and loudness stay. (Polack's model of late reverberation, 1988.)
    """
    times = np.arange(round(rt60_ms * SAMPLES_PER_MS)) / max(rt60_ms * SAMPLES_PER_MS, 1.0)
    echo = rng.standard_normal(len(times)) * 10 ** (-3.0 * times)
    echo /= np.sqrt(np.square(echo).sum()) + 1e-9
    echo[:1] += 1.0
    size = len(audio) + len(echo)
    wet = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(echo, size), size)[: len(audio)]
    return (wet * (_level(audio) / max(_level(wet), 1e-9))).astype(np.float32)


def with_noise(audio: Audio, snr_db: float, colour: float, rng: Generator) -> Audio:
    """Return the sound with noise whose power falls as frequency ** -colour: 0 is white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(len(audio)))
    places = np.maximum(np.arange(len(spectrum)), 1.0)
    noise = np.fft.irfft(spectrum * places ** (-colour / 2.0), len(audio))
    gain = _level(audio) / max(_level(noise), 1e-9) * _ratio(-snr_db)
    return (audio + gain * noise).astype(np.float32)


def disturb_tokens(encoded: Encoded, augment: Augment, num_text_tokens: int, rng: Generator) -> list[int]:
    """Return the tokens as the decoder is given them; what it should answer stays as encoded."""
    is_noise = rng.random(len(encoded.tokens)) < augment.token_noise
    random_tokens = rng.integers(0, num_text_tokens, size=len(encoded.tokens))
    return [
        int(random) if noisy and counts and token < num_text_tokens else token
        for token, counts, noisy, random in zip(encoded.tokens, encoded.loss_mask, is_noise, random_tokens, strict=True)
    ]


def draw_masks(augment: Augment, num_samples: int, n_mels: int, rng: Generator) -> tuple[Ranges, Ranges]:
    """Draw the ranges of mel bins and of frames to blank, each (masks, 2): from, to."""
    return (
        _ranges(augment.freq_masks, augment.max_freq_mask, n_mels, rng),
        _ranges(augment.time_masks, augment.max_time_mask, num_samples // HOP, rng),
    )


Ranges = NDArray[np.int64]


def _ranges(number: int, max_width: int, size: int, rng: Generator) -> Ranges:
    widths = rng.integers(0, min(max_width, size), size=number, endpoint=True)
    starts = (rng.random(number) * (size - widths + 1)).astype(np.int64)
    return np.stack([starts, starts + widths], axis=1)


def _at_speed(sample: Sample, factor: float) -> Sample:
    assert sample.audio is not None
    audio = soxr.resample(sample.audio, SAMPLE_RATE * factor, SAMPLE_RATE, quality="QQ")
    cues = tuple(
        replace(cue, start_ms=round(cue.start_ms / factor), end_ms=round(cue.end_ms / factor)) for cue in sample.cues
    )
    return replace(sample, audio=audio, cues=cues, duration_ms=len(audio) // SAMPLES_PER_MS)


def _level(audio: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.square(audio, dtype=np.float64).mean())) if len(audio) else 0.0


def _ratio(db: float) -> float:
    return 10 ** (db / 20)


def _shifted(cue: Cue, offset_ms: int) -> Cue:
    return replace(cue, start_ms=cue.start_ms + offset_ms, end_ms=cue.end_ms + offset_ms)
