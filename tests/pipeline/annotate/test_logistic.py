"""A fit finds what separates, a missing value moves nothing, and the file gives back what was written."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.annotate.logistic import Logistic, fit

RNG = np.random.default_rng(0)
TRUTH = (np.arange(400) % 4 == 0).astype(float)  # a quarter: both classes still weigh the same
ROWS = np.stack([TRUTH + 0.5 * RNG.standard_normal(400), RNG.standard_normal(400)], axis=1)
MODEL = fit(("told", "noise"), ROWS, TRUTH, 1.0, "made for a test\nwith two lines")


def test_a_fit_weighs_what_separates_and_not_what_does_not() -> None:
    assert MODEL.weights[0] > 5 * abs(MODEL.weights[1])
    assert ((MODEL.probability(ROWS) > 0.5) == (TRUTH == 1)).mean() > 0.8


def test_a_missing_value_counts_as_an_average_one() -> None:
    average = np.array([MODEL.means])
    assert MODEL.probability(np.full((1, 2), np.nan)) == pytest.approx(MODEL.probability(average))


def test_a_value_far_out_counts_as_three_spreads() -> None:
    near, far = (
        [mean + spreads * scale for mean, scale in zip(MODEL.means, MODEL.scales, strict=True)] for spreads in (3, 50)
    )
    assert MODEL.probability(np.array([far])) == pytest.approx(MODEL.probability(np.array([near])))


def test_a_column_that_is_always_the_same_does_no_harm() -> None:
    model = fit(("told", "same"), np.stack([ROWS[:, 0], np.ones(400)], axis=1), TRUTH, 1.0, "")
    assert abs(model.weights[1]) < 1e-6


def test_the_file_gives_back_the_model() -> None:
    again = Logistic.from_yaml(MODEL.to_yaml())
    assert (again.names, again.about) == (MODEL.names, MODEL.about)
    assert again.probability(ROWS) == pytest.approx(MODEL.probability(ROWS), abs=1e-3)
