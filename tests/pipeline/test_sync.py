"""The shift that makes cues fit speech is found where there is one to find."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.sync import Sync, find_sync

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
