"""Rules keep, reject, or say that nothing was measured; their examples are tried before a run."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.decide.rules import Check, Rule, judge, try_examples
from pipeline.errors import UserError

SILENCE = Rule(reason="silence", column="ratio", keep={"min": 0.4}, why="test", applies_to="with_text")
UPPER = Rule(reason="upper", column="upper", keep={"equals": False}, why="test", null_is="keep")
RANGE = Rule(reason="rate", column="rate", keep={"min": 2.0, "max": 30.0}, why="test")


def reasons(rule: Rule, values: list[object], has_text: list[bool] | None = None) -> list[list[str]]:
    table = pa.table({rule.column: values})
    check = Check(family="f", rules=(rule,))
    verdicts = judge([check], {"f": table}, np.array(has_text or [True] * len(values)))
    return [[verdicts.reasons[column] for column in row.nonzero()[0]] for row in verdicts.rejects]


def test_a_value_at_the_threshold_is_kept() -> None:
    assert reasons(SILENCE, [0.39, 0.4, 0.41]) == [["silence"], [], []]


def test_both_ends_of_a_range_reject() -> None:
    assert reasons(RANGE, [1.0, 2.0, 30.0, 31.0]) == [["rate"], [], [], ["rate"]]


def test_null_is_its_own_reason_and_never_a_pass() -> None:
    assert reasons(SILENCE, [None, 0.9]) == [["unmeasured:ratio"], []]


def test_null_passes_only_where_the_rule_says_so() -> None:
    assert reasons(UPPER, [None, True, False]) == [[], ["upper"], []]


def test_a_rule_leaves_alone_what_it_does_not_apply_to() -> None:
    assert reasons(SILENCE, [0.0, None, 0.0], [True, False, False]) == [["silence"], [], []]


def test_all_reasons_stand_in_the_order_of_the_checks() -> None:
    table = pa.table({"ratio": [0.0], "rate": [99.0]})
    verdicts = judge([Check(family="f", rules=(RANGE, SILENCE))], {"f": table}, np.array([True]))
    assert [verdicts.reasons[column] for column in verdicts.rejects[0].nonzero()[0]] == ["rate", "silence"]


def test_a_column_that_does_not_exist_is_named_with_the_nearest() -> None:
    wrong = Rule(reason="r", column="ratoi", keep={"min": 0.0}, why="test")
    with pytest.raises(UserError, match="column 'ratoi' does not exist; .* did you mean 'ratio'"):
        judge([Check(family="f", rules=(wrong,))], {"f": pa.table({"ratio": [1.0]})}, np.array([True]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keep": {"mni": 1}}, "comparison 'mni' does not exist"),
        ({"applies_to": "text"}, "scope 'text' does not exist"),
    ],
)
def test_a_misspelt_rule_fails_before_any_work(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Rule(**({"reason": "r", "column": "c", "keep": {"min": 1}, "why": "w"} | change))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ({"row": {"ratio": 0.9}, "keep": False}, "keeps its example"),
        ({"row": {"ratio": 0.1}, "keep": True}, "rejects its example"),
        ({"row": {"other": 0.1}, "keep": True}, "names no column of its rules"),
    ],
)
def test_an_example_that_the_thresholds_contradict_stops_the_run(example: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        try_examples("silence", Check(family="f", rules=(SILENCE,), examples=(example,)))


def test_examples_that_hold_say_nothing() -> None:
    examples = ({"row": {"ratio": 0.9}, "keep": True}, {"row": {"ratio": None}, "keep": False})
    try_examples("silence", Check(family="f", rules=(SILENCE,), examples=examples))
