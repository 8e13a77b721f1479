"""Speech in noise at a given ratio: white noise, or babble of other people (Whisper §3.7 used a pub's)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from pipeline.audio import Samples
from pipeline.errors import UserError, unknown_name

NUM_TALKERS = 6
NOISES = ("white", "babble")


def in_noise(speech: Samples, noise: Samples, snr_db: float) -> Samples:
    """Return speech with noise at a ratio of powers over the whole window; loud sums are turned down, never clipped."""
    power, noise_power = float(np.mean(np.square(speech))), float(np.mean(np.square(noise)))
    if power == 0.0 or noise_power == 0.0:
        return speech
    gain = np.sqrt(power / noise_power / 10 ** (snr_db / 10))
    mixed = speech + np.float32(gain) * noise
    return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)


def make_noise(kind: str, num_samples: int, name: str, talkers: Sequence[Samples]) -> Samples:
    """Return noise of a length, drawn by name; babble is made of the talkers, each from a place of its own."""
    if kind not in NOISES:
        raise unknown_name("noise", kind, NOISES)
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
    if kind == "white":
        return rng.standard_normal(num_samples, dtype=np.float32)
    voices = [talker for talker in talkers if np.any(talker)]
    if not voices:
        raise UserError("babble has no talkers; expected utterances with sound; use white noise, or a larger set")
    mixed = np.zeros(num_samples, dtype=np.float32)
    for place in rng.integers(len(voices), size=NUM_TALKERS):
        mixed += _at_level(from_somewhere(voices[int(place)], num_samples, rng))
    return mixed


def from_somewhere(sound: Samples, num_samples: int, rng: np.random.Generator) -> Samples:
    """Return so many samples from a drawn place on; where the sound ends it begins again."""
    start = int(rng.integers(len(sound)))
    return np.resize(np.roll(sound, -start), num_samples)


def _at_level(voice: Samples) -> Samples:
    return voice / np.float32(max(float(np.sqrt(np.mean(np.square(voice)))), 1e-9))
