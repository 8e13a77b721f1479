"""How a window sounds: level, noise under the speech, clipping, bandwidth, dead stretches, music.

Measured on frames of 32 ms, without a model. A dead channel of a stereo file is heard only as a lower level here, since
decoding mixes channels down; what is dead in the mix is `dead_ratio`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import schema, tables
from pipeline.audio import SAMPLE_RATE, SAMPLES_PER_MS, Samples

FRAME = 512  # 32 ms
FULL_SCALE = 0.985  # of the loudest sample a lossy codec leaves after clipping
DEAD_DBFS = -85.0  # below the noise of any room and microphone; 16 bits end at -96
FLOOR = 1e-12
_SLOPE_DB = 50.0  # under the loudest band: what a codec or a telephone has cut off, not what a voice lacks
_STEADY_FRAMES = 8  # a tone held a quarter of a second is no voice's
_NOISE_MS = 5000  # around a shorter window: two seconds of speech may hold no pause to hear the noise in (2026-11)
_MUSIC_FRAMES = 94  # 3 s: one drawn vowel is a third of "Lima" (2026-11)
_LOWEST_BIN, _TONAL, _HELD, _AUDIBLE_DBFS = 3, 20.0, 0.3, -60.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundAnnotator:
    """Measure the sound of each window."""

    NAME: ClassVar[str] = "sound"
    VERSION: ClassVar[int] = 3
    SCHEMA: ClassVar[pa.Schema] = schema.SOUND
    NEEDS_AUDIO: ClassVar[bool] = True

    def measure(self, segments: pa.Table, samples: Samples) -> pa.Table:
        """Measure the segments of one recording; `samples` is the whole of it, mono at 16 kHz."""
        levels_T = _levels(_frames(samples))
        told = segments.select(["segment_id", "start_ms", "end_ms"]).to_pylist()
        rows = [_row(row, samples, levels_T) for row in told]
        return tables.from_rows(rows, self.SCHEMA)


def snr_db(frames_db: Floats) -> float:
    """Estimate signal over noise from frame levels: the loud tenth against the quiet tenth of those that sound.

    Speech pauses for a tenth of its time at least; in pauses only the noise is heard.
    """
    quiet, loud = np.percentile(frames_db, (10, 90))
    return float(loud - quiet)


def music_ratio(power_TF: Floats, frames_db: Floats) -> float:
    """Return the share of sounding frames in which one tone is held for a quarter of a second, as voices do not."""
    band_TF = power_TF[:, _LOWEST_BIN:]
    peaks_T = band_TF.argmax(axis=1)
    strength_T = band_TF.max(axis=1)
    is_tonal = strength_T > _TONAL * np.median(band_TF, axis=1)
    last = len(band_TF) - _STEADY_FRAMES
    rows = np.arange(last)[:, None] + np.arange(1, _STEADY_FRAMES)
    later = band_TF[rows, peaks_T[:last, None]]
    is_held = (later > _HELD * strength_T[:last, None]).all(axis=1) & is_tonal[:last]
    return float((is_held & (frames_db[:last] > _AUDIBLE_DBFS)).mean())


def _row(segment: Mapping[str, Any], samples: Samples, levels_T: Floats) -> dict[str, Any]:
    own = samples[segment["start_ms"] * SAMPLES_PER_MS : segment["end_ms"] * SAMPLES_PER_MS]
    if len(own) < FRAME * _STEADY_FRAMES * 2:
        return {**dict.fromkeys(SoundAnnotator.SCHEMA.names), "segment_id": segment["segment_id"]}
    frames_TN = _frames(own)
    frames_db = _levels(frames_TN)
    is_dead = frames_db < DEAD_DBFS
    loudest = float(np.abs(own).max())
    sounding = frames_TN[~is_dead]
    power_TF = _power(sounding) if len(sounding) >= 2 * _STEADY_FRAMES else None
    return {
        "segment_id": segment["segment_id"],
        "snr_db": _noise(levels_T, segment) if power_TF is not None else None,
        "peak_dbfs": 20 * float(np.log10(loudest + FLOOR**0.5)),
        "clipped_ratio": _clipped(own, loudest),
        "bandwidth_hz": _bandwidth(power_TF, frames_db[~is_dead]) if power_TF is not None else None,
        "dead_ratio": float(is_dead.mean()),
        "music_ratio": _music(power_TF, frames_db[~is_dead]),
    }


def _noise(levels_T: Floats, segment: Mapping[str, Any]) -> float:
    """Estimate the signal over noise in a window, or in the nearest five seconds that sound around a shorter one.

    Between pauses of digital silence only speech is left: clean Russian came to 11 dB (2026-11).
    """
    first, last = (segment[name] * SAMPLES_PER_MS // FRAME for name in ("start_ms", "end_ms"))
    sounding = np.flatnonzero(levels_T >= DEAD_DBFS)
    begin, end = np.searchsorted(sounding, (first, last))
    num = max(_NOISE_MS * SAMPLES_PER_MS // FRAME, end - begin)
    near = sounding[max(0, begin - num) : end + num]
    away = np.maximum(0, np.maximum(first - near, near - last))
    return snr_db(levels_T[near[np.argsort(away, kind="stable")[:num]]])


def _frames(samples: Samples) -> Floats:
    return samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)


def _levels(frames_TN: Floats) -> Floats:
    energy = np.einsum("tn,tn->t", frames_TN, frames_TN) / FRAME
    return (10 * np.log10(energy + FLOOR)).astype(np.float32)


def _music(power_TF: Floats | None, frames_db: Floats) -> float | None:
    return music_ratio(power_TF, frames_db) if power_TF is not None and len(power_TF) >= _MUSIC_FRAMES else None


def _power(frames_TN: Floats) -> Floats:
    return np.square(np.abs(np.fft.rfft(frames_TN * _window(), axis=1)))


def _clipped(samples: Samples, loudest: float) -> float:
    """Return the share of samples at the top of their range, where a wave has flat tops: two or more in a row."""
    at_top = np.abs(samples) >= FULL_SCALE * loudest
    return float((at_top[1:] & at_top[:-1]).mean())


def _bandwidth(power_TF: Floats, frames_db: Floats) -> float:
    """Return the frequency up to which the loud frames hold energy, in bands of 250 Hz."""
    loud = power_TF[frames_db >= np.percentile(frames_db, 50)].mean(axis=0)
    width = 250 * FRAME // SAMPLE_RATE
    bands = loud[: len(loud) // width * width].reshape(-1, width).mean(axis=1)
    above = np.flatnonzero(10 * np.log10(bands + FLOOR) > 10 * np.log10(bands.max() + FLOOR) - _SLOPE_DB)
    return float((above[-1] + 1) * width * SAMPLE_RATE / FRAME)


@functools.cache
def _window() -> Floats:
    return np.hanning(FRAME).astype(np.float32)
