"""Put clean speech into a place: a room, noise, a telephone band, a moving level."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.audio import SAMPLE_RATE, Samples

PEAK = 0.9
SPEECH_RMS = 0.08  # -22 dBFS, about the level of a broadcast
SPEECH_FLOOR = 1e-4  # samples below it are pauses and do not count towards the speech level

REVERB_SECONDS = 0.25  # RT60 of a furnished room
REVERB_RATIO = 0.35  # reverberant to direct amplitude
QUIET_SNR_DB = 40.0
NOISE_SNR_DB = (15.0, 30.0)
TELEPHONE_HZ = (300.0, 3400.0)
TELEPHONE_SNR_DB = 30.0
LEVEL_DB = (-14.0, 0.0)
LEVEL_SECONDS = 4.0  # a new level is reached this often


def place(samples: Samples, condition: str, rng: np.random.Generator) -> Samples:
    """Return speech (pauses digitally silent) as heard under one of `CONDITIONS`, same length, never clipped."""
    active = samples[np.abs(samples) > SPEECH_FLOOR]
    levelled = samples * (SPEECH_RMS / _rms(active))
    placed = CONDITIONS[condition](levelled, rng)
    return (placed * min(1.0, PEAK / np.abs(placed).max())).astype(np.float32)


def background(num_samples: int, rms: float, rng: np.random.Generator) -> Samples:
    """Return noise whose power falls by 3 dB an octave (pink), the usual sound of a place without speech."""
    spectrum = np.fft.rfft(rng.standard_normal(_fast_size(num_samples)))
    spectrum /= np.sqrt(np.arange(1, len(spectrum) + 1))
    noise = np.fft.irfft(spectrum)[:num_samples].astype(np.float32)
    return noise * np.float32(rms / _rms(noise))


def _clean(speech: Samples, _rng: np.random.Generator) -> Samples:
    return speech


def _quiet_room(speech: Samples, rng: np.random.Generator) -> Samples:
    times = np.arange(int(REVERB_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(times)) * 10 ** (-3 * times / REVERB_SECONDS)
    tail *= REVERB_RATIO / np.sqrt(np.sum(np.square(tail)))
    tail[0] = 1.0
    return _noisy(_convolve(speech, tail), QUIET_SNR_DB, rng)


def _light_noise(speech: Samples, rng: np.random.Generator) -> Samples:
    return _noisy(speech, rng.uniform(*NOISE_SNR_DB), rng)


def _telephone(speech: Samples, rng: np.random.Generator) -> Samples:
    noisy = _noisy(speech, TELEPHONE_SNR_DB, rng)
    size = _fast_size(len(noisy))
    spectrum = np.fft.rfft(noisy, size)
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    low, high = TELEPHONE_HZ
    spectrum *= (1 / (1 + (low / np.maximum(hertz, 1.0)) ** 8)) * (1 / (1 + (hertz / high) ** 16))
    return np.fft.irfft(spectrum)[: len(noisy)].astype(np.float32)


def _moving_level(speech: Samples, rng: np.random.Generator) -> Samples:
    seconds = np.arange(len(speech)) / SAMPLE_RATE
    knots = np.arange(0, seconds[-1] + LEVEL_SECONDS, LEVEL_SECONDS)
    gains_db = np.interp(seconds, knots, rng.uniform(*LEVEL_DB, len(knots)))
    return (speech * 10 ** (gains_db / 20)).astype(np.float32)


def _noisy(speech: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    return speech + background(len(speech), SPEECH_RMS / 10 ** (snr_db / 20), rng)


def _convolve(samples: Samples, response: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Samples:
    size = _fast_size(len(samples) + len(response))
    product = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    return np.fft.irfft(product, size)[: len(samples)].astype(np.float32)


def _fast_size(num_samples: int) -> int:
    return 1 << num_samples.bit_length()


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


CONDITIONS: dict[str, Callable[[Samples, np.random.Generator], Samples]] = {
    "clean": _clean,
    "quiet_room": _quiet_room,
    "light_noise": _light_noise,
    "telephone": _telephone,
    "moving_level": _moving_level,
}
