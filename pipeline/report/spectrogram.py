"""Draw sound: a small picture of its energy by time and frequency."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.audio import SAMPLE_RATE, Pcm

WIDTH, HEIGHT = 480, 72
FFT_SAMPLES = 512
LEVELS = 16  # four bits a pixel
RANGE_DB = 50.0
TOP = 99.0  # percentile that is brightest: a click does not darken the rest
MAX_HZ = 8000
_STOPS = ((12, 20, 28), (15, 62, 78), (23, 128, 109), (142, 190, 110), (252, 240, 200))  # dark to loud


def spectrogram_png(pcm: Pcm) -> bytes:
    """Draw 16 kHz mono samples, low frequencies at the bottom, the loudest 50 dB from dark to bright."""
    samples = np.diff(pcm.astype(np.float32), prepend=0.0)  # lifts high frequencies by 6 dB an octave
    padded = np.pad(samples, (0, max(0, FFT_SAMPLES - len(samples))))
    starts = np.linspace(0, len(padded) - FFT_SAMPLES, WIDTH).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[starts] * np.hanning(FFT_SAMPLES)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    level = 10 * np.log10(_bands(power) + 1.0)
    scaled = np.clip((level - np.percentile(level, TOP)) / RANGE_DB + 1, 0, 1)
    image = Image.fromarray(np.rint(scaled.T[::-1] * (LEVELS - 1)).astype(np.uint8), mode="P")
    image.putpalette(_palette())
    sink = io.BytesIO()
    image.save(sink, format="PNG", optimize=True, bits=4)
    return sink.getvalue()


def _bands(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gather frequencies into rows that are finer below, where speech has its pitch and vowels."""
    num_bins = FFT_SAMPLES * MAX_HZ // SAMPLE_RATE
    edges = np.rint(num_bins * np.linspace(0, 1, HEIGHT + 1) ** 1.5).astype(int).tolist()
    rows = [power[:, start : max(end, start + 1)].mean(axis=1) for start, end in pairwise(edges)]
    return np.stack(rows, axis=1)


def _palette() -> list[int]:
    places = np.linspace(0, len(_STOPS) - 1, LEVELS)
    channels = [np.interp(places, np.arange(len(_STOPS)), [stop[channel] for stop in _STOPS]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(int).ravel().tolist()
