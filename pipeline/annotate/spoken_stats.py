"""What a recording's speech sounds like, as a few hundred numbers a linear model can tell languages by.

Cepstra of the telephone band, freed of the channel by their mean and spread, and how they move together in time
(shifted deltas, as spoken-language recognition has used since 2002): sounds and their sequence, not loudness or room.
Products are einsum's: BLAS would wake its threads for each of these small ones (5 times the CPU time, 2026-11).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import SAMPLE_RATE, SAMPLES_PER_MS, Samples

FRAME, HOP = 400, 160  # 25 ms every 10 ms, Whisper's
BLOCK = 512  # frames at once: they stay in the cache
MAX_SECONDS = 60  # of speech; more tells little more, and costs
MIN_FRAMES = 300  # 3 s of speech
MIN_SOUNDING = 0.5  # of captioned time: 7 s left of a dead stream were heard as another language at 0.98 (2026-11)
BAND_HZ = (200.0, 3400.0)  # what a telephone lets through
NUM_BANDS, NUM_CEPSTRA = 24, 12
LAGS = (3, 6)  # frames: half a sound, a sound
_POWER = 1e-10  # added before the logarithm
_SILENCE = float(np.log(_POWER)) + 1.0  # a frame without any sound

Floats = NDArray[np.float32]


def num_stats() -> int:
    """Return how many numbers a recording has."""
    size = NUM_CEPSTRA * (1 + len(LAGS))
    return size * (size - 1) // 2 + size


def spoken_stats(samples: Samples, regions_ms: Sequence[tuple[int, int]]) -> Floats | None:
    """Describe the speech within the regions; None with less than three seconds of it, or mostly digital silence."""
    pieces = [samples[start_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS] for start_ms, end_ms in regions_ms]
    speech = np.concatenate([*pieces, np.zeros(0, np.float32)])[: MAX_SECONDS * SAMPLE_RATE]
    if len(speech) < FRAME + MIN_FRAMES * HOP:
        return None
    cepstra = _cepstra(speech)
    if len(cepstra) < MIN_FRAMES:
        return None
    cepstra = (cepstra - cepstra.mean(axis=0)) / (cepstra.std(axis=0) + 1e-6)
    deltas = [cepstra[2 * lag :] - cepstra[: -2 * lag] for lag in LAGS]
    longest = max(LAGS)
    aligned = [cepstra[longest:-longest]]
    aligned += [delta[longest - lag : len(delta) - (longest - lag)] for lag, delta in zip(LAGS, deltas, strict=True)]
    stacked = np.concatenate(aligned, axis=1)
    spread = stacked.std(axis=0)
    scaled = (stacked - stacked.mean(axis=0)) / (spread + 1e-6)
    together = np.einsum("ti,tj->ij", scaled, scaled)
    return np.concatenate([(together / len(scaled))[np.triu_indices(len(spread), 1)], spread]).astype(np.float32)


def _cepstra(speech: Samples) -> Floats:
    num = (len(speech) - FRAME) // HOP + 1
    frames = np.lib.stride_tricks.as_strided(
        speech, (num, FRAME), (HOP * speech.strides[0], speech.strides[0]), writeable=False
    )
    _, _, cosines = _constants()
    loud = np.concatenate([_loudness(frames[at : at + BLOCK]) for at in range(0, num, BLOCK)])
    voiced = loud.mean(axis=1)
    sounding = loud[voiced > _SILENCE]
    if len(sounding) < MIN_SOUNDING * num:
        return np.zeros((0, NUM_CEPSTRA), np.float32)
    voiced = sounding.mean(axis=1)
    kept = sounding[voiced > np.percentile(voiced, 90) - 6.0]  # 26 dB below the loud ones: pauses the regions hold
    return np.einsum("tb,bc->tc", kept, cosines)


def _loudness(frames: Samples) -> Floats:
    """Return the log power of each frame in each band."""
    window, bands, _ = _constants()
    power = np.square(np.abs(np.fft.rfft(frames * window, 512)[:, : len(bands)]))
    return np.log(np.einsum("tf,fb->tb", power, bands) + _POWER).astype(np.float32)


@functools.cache
def _constants() -> tuple[Floats, Floats, Floats]:
    """Return the window, triangular mel bands, and the cosines that make cepstra of them, without the loudness."""
    lowest, highest = (1127 * np.log1p(hertz / 700) for hertz in BAND_HZ)
    mels = np.linspace(lowest, highest, NUM_BANDS + 2)
    edges = 700 * np.expm1(mels / 1127)
    hertz = np.arange(0, BAND_HZ[1], SAMPLE_RATE / 512)[:, None]
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    bands = np.maximum(0, np.minimum(rising, falling))
    orders = np.arange(1, NUM_CEPSTRA + 1)
    cosines = np.cos(np.pi * (np.arange(NUM_BANDS)[:, None] + 0.5) * orders / NUM_BANDS)
    return np.hanning(FRAME).astype(np.float32), bands.astype(np.float32), cosines.astype(np.float32)
