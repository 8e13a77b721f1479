"""Speech in noise at the ratio that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from model.data.noise import NOISES, in_noise, make_noise
from pipeline.errors import UserError

TONE = (0.1 * np.sin(np.arange(16_000) / 10)).astype(np.float32)
TALKERS = [np.roll(TONE, 100), np.zeros(100, np.float32), TONE[:3000]]


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("snr_db", [20.0, -10.0])
def test_powers_are_in_the_ratio(kind: str, snr_db: float) -> None:
    noise = make_noise(kind, len(TONE), "one", TALKERS)
    mixed = in_noise(TONE, noise, snr_db)
    scale = float(np.linalg.lstsq(np.stack([TONE, noise], axis=1), mixed, rcond=None)[0][0])
    rest = mixed / scale - TONE
    assert 10 * np.log10(np.mean(TONE**2) / np.mean(rest**2)) == pytest.approx(snr_db, abs=0.1)
    assert np.abs(mixed).max() <= 1.0 and mixed.dtype == np.float32


def test_noise_is_drawn_by_name() -> None:
    for kind in NOISES:
        one, again, other = (make_noise(kind, 500, name, TALKERS) for name in ("a", "a", "b"))
        assert (one == again).all() and (one != other).any()


def test_silence_stays_silence() -> None:
    silence = np.zeros(500, np.float32)
    assert in_noise(silence, make_noise("white", 500, "a", ()), 0.0) is silence


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="noise 'pink' does not exist; .*white"):
        make_noise("pink", 10, "a", TALKERS)
    with pytest.raises(UserError, match="babble has no talkers; expected utterances with sound; use white noise"):
        make_noise("babble", 10, "a", [np.zeros(5, np.float32)])
