"""How captions lie against speech in time, by the correlation of the two tracks.

One shift of the whole caption; or its clock, where it runs at another rate than the sound's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP_MS = 20
MAX_SHIFT_MS = 60_000
MIN_SYNC = 0.35  # below, no shift makes cues and speech fit: nothing can be said
# Captions that stay a little after the speech fit almost as well elsewhere: 0.08 better at most in speech of seven
# languages, 0.26 at least where they are shifted by half a second or more (2026-11).
MIN_GAIN = 0.15
MAX_STRETCH = 0.05
# Film at 24, television at 25, NTSC's 23.976 and 29.97: captions made for one are shown with another.
FRAME_RATES = (24 / 25, 25 / 24, 23.976 / 25, 25 / 23.976, 1000 / 1001, 1001 / 1000)
FIRST_MS = 300_000  # of a recording, in which all rates are tried; what follows makes the best one finer
DRIFT_MS = 300  # between neighbouring rates, at the end of what is compared
SAME_SYNC = 0.02  # a frame rate that fits as well is likelier than any other number

Spans = Sequence[tuple[int, int]]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """`sync` is the correlation of cues and speech as captioned, `synced` after adding `offset_ms` to the cues."""

    offset_ms: int
    sync: float
    synced: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Times of the cues times `rate` plus `offset_ms` are those of the sound, with a correlation of `synced`."""

    rate: float
    offset_ms: int
    synced: float


def find_clock(cues_ms: Spans, speech_ms: Spans, duration_ms: int) -> Clock | None:
    """Find the rate and the shift of the cues that fit the speech best; None where none fits.

    Rates differ from 1 by `MAX_STRETCH` at most.
    """

    def clocks(rates: Sequence[float], until_ms: int) -> list[Clock]:
        heard = [span for span in speech_ms if span[1] <= until_ms]
        spans = [span for span in cues_ms if until_ms == duration_ms or span[1] <= until_ms]
        found = ((rate, _sync_at(rate, spans, heard, until_ms)) for rate in rates)
        return [Clock(rate=rate, offset_ms=sync.offset_ms, synced=sync.synced) for rate, sync in found if sync]

    until_ms = min(duration_ms, FIRST_MS)
    step = DRIFT_MS / until_ms
    best = _best(clocks([1 + step * turn for turn in _turns(MAX_STRETCH / step)], until_ms))
    while best and (until_ms < duration_ms or step * until_ms > STEP_MS):
        until_ms, step = min(2 * until_ms, duration_ms), step / 4
        best = _best(clocks([best.rate + step * turn for turn in _turns(4)], until_ms))
    named = _best(clocks([1.0, *FRAME_RATES], duration_ms))
    return named if named and (best is None or named.synced >= best.synced - SAME_SYNC) else best


def find_sync(cues_ms: Spans, speech_ms: Spans, duration_ms: int) -> Sync | None:
    """Find the shift of the cues that fits the speech clearly better than none.

    None where one of them has no gaps, or no shift fits.
    """
    best = _fit(cues_ms, speech_ms, duration_ms)
    if best and best.synced - best.sync < MIN_GAIN:
        return Sync(offset_ms=0, sync=best.sync, synced=best.sync)
    return best


def _fit(cues_ms: Spans, speech_ms: Spans, duration_ms: int) -> Sync | None:
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


def _sync_at(rate: float, cues_ms: Spans, speech_ms: Spans, duration_ms: int) -> Sync | None:
    """Compare the cues at another rate with the speech; those after the audio may yet be moved into it."""
    cues = [(round(start * rate), round(end * rate)) for start, end in cues_ms]
    return _fit(cues, speech_ms, max([duration_ms, *(end for _, end in cues)]))


def _turns(most: float) -> range:
    return range(-int(most), int(most) + 1)


def _best(clocks: Sequence[Clock]) -> Clock | None:
    return max(clocks, key=lambda clock: clock.synced, default=None)


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
