"""Styles of literal captions: a number for each habit, and none where a script or a size shows none."""

from __future__ import annotations

import pytest

from pipeline.annotate.style import NAMES, Line, style

ENGLISH = ("I saw it.", "um, did You? I", "left [Music]", "at 7 o'clock; she", "STAYED THERE. we", "went") * 3
AMHARIC = ("ዝናብ ይኖራል።", "ነገ፣ ዛሬ እና ማታ", "ወደ ግራ ይታጠፉ።", "ባቡሮች ዛሬ ማታ ይደርሳሉ።") * 3
CHINESE = ("今天北方有雨", "学校在左边你看", "火车七点开出来", "我们明天再去吧") * 3


def lines(*texts: str) -> list[Line]:
    """A second each, with a pause of half a second before every other one."""
    return [
        Line(start_ms=1000 * index + 500 * (index % 2), end_ms=1000 * (index + 1), text=text)
        for index, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lower_start_ratio", 2 / 3),
        ("question_per_word", 1 / 17),
        ("rare_mark_per_word", 1 / 17),
        ("comma_per_word", 1 / 17),
        ("bare_line_ratio", 2 / 6),
        ("stop_end_ratio", 1 / 6),
        ("digit_ratio", 1 / 17),
        ("filler_ratio", 1 / 17),
        ("tag_ratio", 1 / 6),
        ("words_per_line", 17 / 6),
        ("touching_ratio", 8 / 17),
        ("round_ratio", 0.75),
        ("grid_ratio", 1.0),
    ],
)
def test_a_habit_has_its_number(name: str, value: float) -> None:
    assert style(lines(*ENGLISH), "en")[name] == pytest.approx(value)


def test_a_script_without_case_has_no_casing_and_its_own_marks() -> None:
    measured = style(lines(*AMHARIC), "am")
    assert (measured["capital_ratio"], measured["upper_ratio"], measured["lower_start_ratio"]) == (None, None, None)
    assert measured["comma_per_word"] == pytest.approx(1 / 13)
    assert measured["stop_end_ratio"] == 0.75


def test_marks_tell_nothing_where_people_leave_them_out() -> None:
    assert style(lines(*CHINESE), "zh")["bare_line_ratio"] is None


def test_fillers_are_known_by_language() -> None:
    assert style(lines(*ENGLISH), None)["filler_ratio"] is None


@pytest.mark.parametrize("texts", [(), ("One line.",), ("a", "b", "c", "d")])
def test_a_short_document_has_no_style(texts: tuple[str, ...]) -> None:
    assert style(lines(*texts), "en") == dict.fromkeys(NAMES)
