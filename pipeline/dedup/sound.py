"""A recording's sound print: 32 bits for every 32 ms that survive encoding, level, band limits and a shift in time.

A bit says whether the difference between two neighbouring bands has grown or shrunk (Haitsma and Kalker 2002), over
0.2 s and over 0.4 s, of energies smoothed over 0.4 s: so wide that a copy which starts half a frame later reads much
the same. Bands end at 3.4 kHz, where telephone speech does. Measured numbers are in BENCHMARKS.md.

It is an annotator, because annotate decodes each recording once for all that listen; decoding it again for the print
alone would cost three times what the print does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline.audio import SAMPLE_RATE, SAMPLES_PER_MS, Samples
from pipeline.schema import SOUND_PRINT

Codes = NDArray[np.uint32]
Energies = NDArray[np.float32]

HOP = 512
HOP_MS = HOP // SAMPLES_PER_MS
SILENCE = 0  # the code of a frame without sound

_FRAME = 1024
_BLOCK = 4096  # frames transformed at once
_BAND_HZ = np.geomspace(300, 3400, 18)
_SMOOTH = np.hanning(15)[1:-1].astype(np.float32) / np.float32(7)
_LAGS = (6, 12)
_LOUD_QUANTILE = 0.95
_SOUND_RATIO = 1e-2  # of the loud frames' energy; what lies below is silence
_FLOOR_RATIO = 5e-2  # of the middle energy, added to every band, so that empty ones decide nothing


@dataclass(frozen=True, slots=True)
class SoundPrint:
    """The annotator that takes prints."""

    NAME: ClassVar[str] = "sound_print"
    VERSION: ClassVar[int] = 1
    SCHEMA: ClassVar[pa.Schema] = SOUND_PRINT
    NEEDS_AUDIO: ClassVar[bool] = True

    def measure(self, segments: pa.Table, samples: Samples) -> pa.Table:
        """Take the recording's print and lay each window the frames from its start to the next window's."""
        codes = sound_codes(samples)
        starts = segments["start_ms"].to_numpy() // HOP_MS
        bounds = np.clip([0, *starts[1:], len(codes)], 0, len(codes)).astype(np.int32)
        lists = pa.ListArray.from_arrays(pa.array(bounds), pa.array(codes))
        return pa.table({"segment_id": segments["segment_id"], "codes": lists}, schema=SOUND_PRINT)


def sound_codes(samples: Samples) -> Codes:
    """Return the code of each frame of 16 kHz mono samples; frame i is about what sounds at i * HOP_MS."""
    energies = _energies(samples)
    if len(energies) <= max(_LAGS) + len(_SMOOTH):
        return np.zeros(len(energies), np.uint32)
    energies = np.stack([np.convolve(band, _SMOOTH, "same") for band in energies.T], axis=1)
    levels = energies.sum(axis=1)
    has_sound = levels > _SOUND_RATIO * np.quantile(levels, _LOUD_QUANTILE)
    if not has_sound.any():
        return np.zeros(len(energies), np.uint32)
    logs = np.log(energies + _FLOOR_RATIO * np.median(levels[has_sound]) / energies.shape[1])
    slopes = logs[:, :-1] - logs[:, 1:]
    bits = np.concatenate([slopes > np.roll(slopes, lag, axis=0) for lag in _LAGS], axis=1)
    codes = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0].astype(np.uint32)
    has_sound[: max(_LAGS)] = False  # nothing to compare with yet
    return np.where(has_sound, np.maximum(codes, 1), SILENCE).astype(np.uint32)


def _energies(samples: Samples) -> Energies:
    """Return the energy of each band (columns) in each frame (rows)."""
    num_bands = len(_BAND_HZ) - 1
    edges = np.searchsorted(np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE), _BAND_HZ)
    if len(samples) < _FRAME:
        return np.zeros((0, num_bands), np.float32)
    frames = sliding_window_view(np.ascontiguousarray(samples, dtype=np.float32), _FRAME)[::HOP]
    window = np.hanning(_FRAME).astype(np.float32)
    energies = np.empty((len(frames), num_bands), np.float32)
    for start in range(0, len(frames), _BLOCK):
        spectrum = np.fft.rfft(frames[start : start + _BLOCK] * window)[:, edges[0] : edges[-1]]
        power = spectrum.real**2 + spectrum.imag**2
        energies[start : start + _BLOCK] = np.add.reduceat(power, edges[:-1] - edges[0], axis=1)
    return energies
