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

from model.data.recorded import recordings
from model.mel import HOP, SAMPLE_RATE
from model.sample import Cue, Sample
from model.tasks.base import Encoded
from pipeline.errors import UserError

SAMPLES_PER_MS = SAMPLE_RATE // 1000
FFT_MULTIPLE = 4096  # lengths without large prime factors are quick to transform
Audio = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment:
    """How strongly examples are changed; all zero is no change.

    `join_prob`: chance that a window is followed by another of its stream. `speed`: largest relative change of
    speed (and pitch). `reverb_prob`: chance of a room whose reverberation time (RT60) lies between `reverb_ms`.
    `noise_prob`: chance of noise of a drawn colour, from white to brown, at a signal-to-noise ratio between
    `noise_snr_db`. `noise_folder` and `room_folder` hold recorded noises and impulse responses of rooms, of any layout:
    the chances of one are `noise_folder_prob`, at a ratio between `noise_folder_snr_db`, and `room_folder_prob`, where
    a window that gets a recorded one gets no made-up one beside it. `gain_db`: largest change of loudness.
    `token_noise`: chance that the decoder is given a random text token in place of a right one, so that it cannot
    live on its memory of the texts. Masks are SpecAugment's
    (Park et al. 2019), widths in mel bins and in frames.
    """

    join_prob: float = 0.0
    speed: float = 0.0
    gain_db: float = 0.0
    noise_prob: float = 0.0
    noise_snr_db: tuple[float, float] = (5.0, 30.0)
    reverb_prob: float = 0.0
    reverb_ms: tuple[int, int] = (100, 800)
    noise_folder: str | None = None
    noise_folder_prob: float = 0.0
    noise_folder_snr_db: tuple[float, float] = (10.0, 20.0)
    room_folder: str | None = None
    room_folder_prob: float = 0.0
    token_noise: float = 0.0
    freq_masks: int = 0
    max_freq_mask: int = 0
    time_masks: int = 0
    max_time_mask: int = 0

    def __post_init__(self) -> None:
        """List the folders, so that a wrong one is known before any work; UserError."""
        for name in ("noise_folder", "room_folder"):
            folder, chance = getattr(self, name), getattr(self, f"{name}_prob")
            if (folder is not None) != (chance > 0):
                raise UserError(
                    f"augment.{name} {folder} with {name}_prob {chance} would never be heard; expected a folder and "
                    "a chance above 0, or null and 0; change one of the two"
                )
            if folder is not None:
                recordings(folder)


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
    audio = _in_noise(_in_some_room(sample.audio, augment, rng), augment, rng)
    return replace(sample, audio=audio * np.float32(_ratio(augment.gain_db * rng.uniform(-1.0, 1.0))))


def in_a_room(audio: Audio, echo: NDArray[np.floating]) -> Audio:
    """Return the sound as a room's impulse response makes it; length and loudness stay."""
    size = _quick_size(len(audio) + len(echo))
    wet = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(echo, size), size)[: len(audio)]
    return (wet * (_level(audio) / max(_level(wet), 1e-9))).astype(np.float32)


def made_up_room(rt60_ms: float, rng: Generator) -> NDArray[np.floating]:
    """Return an impulse response: the direct sound, and noise as loud as it that decays by 60 dB in this time.

    (Polack's model of late reverberation, 1988.)
    """
    times = np.arange(round(rt60_ms * SAMPLES_PER_MS)) / max(rt60_ms * SAMPLES_PER_MS, 1.0)
    echo = rng.standard_normal(len(times)) * 10 ** (-3.0 * times)
    echo /= np.sqrt(np.square(echo).sum()) + 1e-9
    echo[:1] += 1.0
    return echo


def made_up_noise(num_samples: int, colour: float, rng: Generator) -> NDArray[np.floating]:
    """Return noise whose power falls as frequency ** -colour: 0 is white, 1 pink, 2 brown."""
    size = _quick_size(num_samples)
    spectrum = np.fft.rfft(rng.standard_normal(size))
    places = np.maximum(np.arange(len(spectrum)), 1.0)
    return np.fft.irfft(spectrum * places ** (-colour / 2.0), size)[:num_samples]


def with_noise(audio: Audio, noise: NDArray[np.floating], snr_db: float) -> Audio:
    """Return the sound with noise of the same length at a ratio of powers; silent noise changes nothing."""
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


def _in_some_room(audio: Audio, augment: Augment, rng: Generator) -> Audio:
    if augment.room_folder is not None and rng.random() < augment.room_folder_prob:
        return in_a_room(audio, recordings(augment.room_folder).room(rng))
    if rng.random() < augment.reverb_prob:
        return in_a_room(audio, made_up_room(rng.uniform(*augment.reverb_ms), rng))
    return audio


def _in_noise(audio: Audio, augment: Augment, rng: Generator) -> Audio:
    if augment.noise_folder is not None and rng.random() < augment.noise_folder_prob:
        snr_db = rng.uniform(*augment.noise_folder_snr_db)
        return with_noise(audio, recordings(augment.noise_folder).noise(len(audio), rng), snr_db)
    if rng.random() < augment.noise_prob:
        snr_db, colour = rng.uniform(*augment.noise_snr_db), rng.uniform(0.0, 2.0)
        return with_noise(audio, made_up_noise(len(audio), colour, rng), snr_db)
    return audio


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


def _quick_size(num_samples: int) -> int:
    return -(-num_samples // FFT_MULTIPLE) * FFT_MULTIPLE


def _level(audio: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.square(audio, dtype=np.float64).mean())) if len(audio) else 0.0


def _ratio(db: float) -> float:
    return 10 ** (db / 20)


def _shifted(cue: Cue, offset_ms: int) -> Cue:
    return replace(cue, start_ms=cue.start_ms + offset_ms, end_ms=cue.end_ms + offset_ms)
