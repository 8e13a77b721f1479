"""Hours against thresholds, on windows whose other reasons are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.decide.explore import Windows, curve, hours_by_lang, nearest, propose, rule_named, sides
from pipeline.decide.rules import Rule
from pipeline.errors import UserError

HOUR = 3_600_000
NOISY = Rule(reason="noisy", column="snr_db", keep={"min": 12}, why="test", applies_to="with_text")
BOTH = Rule(reason="rate", column="rate", keep={"min": 1, "max": 30}, why="test")
FLAG = Rule(reason="marked", column="is_marked", keep={"equals": False}, why="test")
VALUES = pa.chunked_array([[5.0, 10.0, 15.0], [20.0, 25.0, None, 30.0]])
WINDOWS = Windows(
    duration_ms=np.array([HOUR] * 6 + [10 * HOUR]),
    lang=np.array(["en", "sw", "en", "sw", "en", "sw", "und"], dtype=object),
    reasons=pa.chunked_array(
        [[["noisy"], ["noisy"], []], [["music"], [], ["unmeasured:snr_db"], []]], pa.list_(pa.string())
    ),
    has_text=np.array([True] * 6 + [False]),
)


def test_only_what_nothing_else_rejects_counts_under_a_rule() -> None:
    assert WINDOWS.only_against(NOISY).tolist() == [True, True, True, False, True, True, True]


def test_a_curve_goes_from_strict_to_lax_and_holds_the_threshold_in_force() -> None:
    points = curve(NOISY, "min", VALUES, WINDOWS)
    assert [point.threshold for point in points] == sorted((point.threshold for point in points), reverse=True)
    by_threshold = {point.threshold: point for point in points}
    assert by_threshold[12.0].hours == 2 and by_threshold[12.0].by_lang == {"en": 2.0}
    assert by_threshold[5.0].hours == 4 and by_threshold[5.0].by_lang == {"en": 3.0, "sw": 1.0}
    assert by_threshold[25.0].hours == 1
    assert curve(NOISY, "min", pa.chunked_array([pa.nulls(7, pa.float64())]), WINDOWS) == []


@pytest.mark.parametrize(
    ("keep", "added", "removed"), [({"min": 8}, [1], []), ({"min": 22}, [], [2]), ({"min": 12}, [], [])]
)
def test_a_change_adds_and_removes(keep: dict[str, Any], added: list[int], removed: list[int]) -> None:
    change = propose(NOISY, keep, VALUES, WINDOWS)
    assert (np.flatnonzero(change.added).tolist(), np.flatnonzero(change.removed).tolist()) == (added, removed)


def test_examples_are_nearest_to_the_threshold() -> None:
    rows = np.array([True, True, True, False, False, True, False])
    assert nearest(rows, NOISY, VALUES, 2) == [1, 2]
    assert nearest(rows, NOISY, VALUES, 9) == [1, 2, 0, 5]


def test_hours_come_by_language_the_longest_first() -> None:
    assert list(hours_by_lang(np.full(7, True), WINDOWS).items()) == [("und", 10.0), ("en", 3.0), ("sw", 3.0)]


def test_only_rules_with_a_threshold_can_be_moved() -> None:
    rules = {rule.reason: rule for rule in (NOISY, BOTH, FLAG)}
    assert list(sides(BOTH)) == ["min", "max"]
    assert rule_named("noisy", rules) is NOISY
    with pytest.raises(UserError, match="'marked' compares with {'equals': False}, which is no threshold"):
        rule_named("marked", rules)
    with pytest.raises(UserError, match="did you mean 'noisy'"):
        rule_named("noisey", rules)
