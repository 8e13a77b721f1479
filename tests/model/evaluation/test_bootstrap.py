"""Intervals over recordings, alone and paired."""

from __future__ import annotations

import numpy as np
import pytest

from model.evaluation.bootstrap import Counts, Measure, difference, estimate, ratio


def measure(errors: list[int], words: list[int]) -> Measure:
    counts: Counts = np.array([errors, words], dtype=np.float64).T
    return Measure(name="wer", normaliser="none", counts_UK=counts, value=ratio)


def test_an_interval_holds_the_value_and_is_that_of_the_binomial() -> None:
    rng = np.random.default_rng(0)
    errors = rng.binomial(1, 0.2, size=400).tolist()
    found = estimate(measure(errors, [1] * 400), [str(number) for number in range(400)], 2000)
    assert found.low is not None and found.high is not None
    spread = 1.96 * np.sqrt(found.value * (1 - found.value) / 400)
    assert found.value - found.low == pytest.approx(spread, rel=0.15)
    assert found.high - found.value == pytest.approx(spread, rel=0.15)


def test_windows_of_one_recording_are_drawn_together() -> None:
    errors, words = [0] * 50 + [1] * 50, [1] * 100
    alone = estimate(measure(errors, words), [str(number) for number in range(100)], 500)
    together = estimate(measure(errors, words), [f"r{number // 10}" for number in range(100)], 500)
    assert None not in (alone.low, alone.high, together.low, together.high)
    assert together.high - together.low > 2 * (alone.high - alone.low)  # type: ignore[operator]


def test_the_same_recordings_give_the_same_interval() -> None:
    again = [estimate(measure([1, 0, 2], [3, 4, 5]), ["a", "b", "c"], 100) for _ in range(2)]
    assert again[0] == again[1]


def test_one_recording_has_no_interval() -> None:
    found = estimate(measure([1, 0], [2, 2]), ["a", "a"], 100)
    assert (found.value, found.low, found.high) == (0.25, None, None)
    assert difference(measure([1], [2]), measure([0], [2]), ["a"], 100).p_value is None
    assert np.isnan(estimate(measure([0, 0], [0, 0]), ["a", "b"], 10).value)


def test_a_small_steady_gain_is_seen_in_pairs_and_not_in_the_two_intervals() -> None:
    rng = np.random.default_rng(1)
    words = rng.integers(5, 40, size=60)
    errors = rng.binomial(words, rng.uniform(0.1, 0.8, size=60))
    better = np.maximum(errors - 1, 0)
    names = [str(number) for number in range(60)]
    first, second = (measure(one.tolist(), words.tolist()) for one in (errors, better))
    change = difference(first, second, names, 1000)
    assert change.high is not None and change.high < 0 and change.p_value == pytest.approx(1 / 1000)
    one, other = estimate(first, names, 1000), estimate(second, names, 1000)
    assert one.low is not None and other.high is not None and other.high > one.low
    same = difference(first, first, names, 100)
    assert (same.value, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
