"""The shift that makes cues fit speech is found where there is one to find."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.sync import FRAME_RATES, Sync, find_clock, find_sync

# Sentences of 1 to 4 s with pauses of 0.4 to 3 s, as (start, end) in ms.
_RNG = np.random.default_rng(4)
_EDGES = np.cumsum(np.stack([_RNG.integers(400, 3000, 20), _RNG.integers(1000, 4000, 20)], axis=1).reshape(-1))
SPEECH = [(int(start), int(end)) for start, end in _EDGES.reshape(-1, 2)]
DURATION_MS = SPEECH[-1][1] + 500


def shifted(by_ms: int) -> list[tuple[int, int]]:
    return [(start + by_ms, end + by_ms) for start, end in SPEECH if start + by_ms >= 0]


def test_captions_in_place_need_no_shift() -> None:
    found = find_sync(SPEECH, SPEECH, DURATION_MS)
    assert found == Sync(offset_ms=0, sync=pytest.approx(1.0), synced=pytest.approx(1.0))


@pytest.mark.parametrize("by_ms", [-5000, -1000, 600, 3000, 12_000])
def test_a_shift_is_found_and_the_offset_undoes_it(by_ms: int) -> None:
    found = find_sync(shifted(by_ms), SPEECH, DURATION_MS)
    assert found and abs(found.offset_ms + by_ms) <= 40
    assert found.synced > 0.7 > 0.5 > found.sync


def test_a_shift_that_fits_hardly_better_is_none() -> None:
    long = [(start, start + 9000) for start in range(2000, 100_000, 12_000)]
    late = [(start + 240, end + 240) for start, end in long]
    found = find_sync(late, long, 110_000)
    assert found and found.offset_ms == 0 and 0.8 < found.synced == found.sync < 0.95


@pytest.mark.parametrize("rate", [1.0, 24 / 25, 25 / 23.976, 1.0123, 0.97])
def test_a_clock_at_another_rate_is_found_and_a_frame_rate_exactly(rate: float) -> None:
    cues = [(round((start - 700) / rate), round((end - 700) / rate)) for start, end in SPEECH if start >= 700]
    found = find_clock(cues, SPEECH, DURATION_MS)
    assert found and max(abs(start * found.rate + found.offset_ms - start * rate - 700) for start, _ in cues) <= 60
    assert found.rate == rate or rate not in (1.0, *FRAME_RATES)


def test_captions_of_other_speech_have_no_clock() -> None:
    rng = np.random.default_rng(5)
    edges = np.cumsum(np.stack([rng.integers(400, 3000, 20), rng.integers(1000, 4000, 20)], axis=1).reshape(-1))
    assert find_clock([(int(start), int(end)) for start, end in edges.reshape(-1, 2)], SPEECH, DURATION_MS) is None


@pytest.mark.parametrize(
    ("cues", "speech"),
    [
        (SPEECH, []),
        ([], SPEECH),
        (SPEECH[:1], SPEECH),
        ([(0, DURATION_MS // 2), (DURATION_MS // 2, DURATION_MS)], SPEECH),
        ([(start, start + 20) for start in range(0, DURATION_MS, 7000)], SPEECH),
    ],
)
def test_where_nothing_fits_nothing_is_said(cues: list[tuple[int, int]], speech: list[tuple[int, int]]) -> None:
    assert find_sync(cues, speech, DURATION_MS) is None
    assert find_clock(cues, speech, DURATION_MS) is None
