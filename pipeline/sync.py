"""How captions lie against speech in time: one shift of the whole caption, by the correlation of the two tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP_MS = 20
MAX_SHIFT_MS = 60_000
MIN_SYNC = 0.35  # below, no shift makes cues and speech fit: nothing can be said

Spans = Sequence[tuple[int, int]]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """`sync` is the correlation of cues and speech as captioned, `synced` after adding `offset_ms` to the cues."""

    offset_ms: int
    sync: float
    synced: float


def find_sync(cues_ms: Spans, speech_ms: Spans, duration_ms: int) -> Sync | None:
    """Find the shift of the cues that fits the speech best; None where one of them has no gaps, or no shift fits."""
    cues = _track(cues_ms, duration_ms)
    speech = _track(speech_ms, duration_ms)
    if min(len(cues_ms), len(speech_ms)) < 2 or min(cues.std(), speech.std()) < 0.1:
        return None
    lags, scores = _correlate(cues, speech)
    at_zero = float(scores[lags == 0][0])
    best = int(scores.argmax())
    if scores[best] < MIN_SYNC:
        return None
    return Sync(offset_ms=int(lags[best]) * STEP_MS, sync=at_zero, synced=float(scores[best]))


def _track(spans_ms: Spans, duration_ms: int) -> Floats:
    """Return 1 for each step within a span, 0 elsewhere."""
    track = np.zeros(max(1, duration_ms // STEP_MS))
    for start_ms, end_ms in spans_ms:
        track[start_ms // STEP_MS : end_ms // STEP_MS] = 1.0
    return track


def _correlate(cues: Floats, speech: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return shifts of the cues in steps, and the correlation at each; what is shifted out of the audio is silence."""
    size = 1 << (2 * len(cues)).bit_length()
    a, b = cues - cues.mean(), speech - speech.mean()
    products = np.fft.irfft(np.conj(np.fft.rfft(a, size)) * np.fft.rfft(b, size), size)
    limit = min(MAX_SHIFT_MS // STEP_MS, len(cues) // 2)
    lags = np.arange(-limit, limit + 1)
    return lags, products[lags] / (len(cues) * cues.std() * speech.std())
