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
        ("inner_stop_ratio", 2 / 6),
        ("comma_per_word", 1 / 17),
        ("bare_line_ratio", 2 / 6),
        ("stop_end_ratio", 1 / 6),
        ("digit_ratio", 1 / 17),
        ("filler_ratio", 1 / 17),
        ("tag_ratio", 1 / 6),
        ("words_per_line", 17 / 6),
        ("touching_ratio", 8 / 17),
        ("long_line_ratio", 0.0),
        ("line_space_ratio", None),
        ("round_ratio", 0.75),
        ("grid_ratio", 1.0),
    ],
)
def test_a_habit_has_its_number(name: str, value: float | None) -> None:
    assert style(lines(*ENGLISH), "en")[name] == (None if value is None else pytest.approx(value))


def test_a_script_without_case_has_no_casing_and_its_own_marks() -> None:
    measured = style(lines(*AMHARIC), "am")
    assert (measured["capital_ratio"], measured["upper_ratio"], measured["lower_start_ratio"]) == (None, None, None)
    assert measured["comma_per_word"] == pytest.approx(1 / 13)
    assert measured["stop_end_ratio"] == 0.75


def test_formulas_are_no_casing_of_a_script_without() -> None:
    measured = style(lines(*["여기서 x 는 sin y 와 같은 값입니다 그래서 다시 봅시다."] * 12), "ko")
    assert (measured["capital_ratio"], measured["upper_ratio"]) == (None, None)


def test_marks_tell_nothing_where_people_leave_them_out() -> None:
    assert style(lines(*CHINESE), "zh")["bare_line_ratio"] is None


def test_where_words_are_not_spaced_lines_are_parted_by_spaces_or_marks() -> None:
    measured = style(lines(*CHINESE[:-1], "今天 北方有雨", "学校，在左边", "今天北方有雨" * 8), "zh")
    assert (measured["line_space_ratio"], measured["line_mark_ratio"]) == (1 / 14, 1 / 14)
    assert measured["long_line_ratio"] == 1 / 14  # 48 characters, 96 columns


def test_thai_has_no_marks_to_leave_out() -> None:
    assert style(lines(*["วันนี้ฝนตก ในภาคเหนือ"] * 12), "th")["line_mark_ratio"] is None


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("We will see.", "lower_start_ratio", 0.0),
        ("we saw node.js and pandas", "lower_start_ratio", None),
        ("nothing rare here", "rare_mark_per_word", None),
        ('it is "rare" here', "rare_mark_per_word", 2 / 4),
        ("dashes – and … dots — alone", "rare_mark_per_word", None),
    ],
)
def test_what_a_short_text_cannot_show_is_null(text: str, name: str, value: float | None) -> None:
    assert style(lines(*[text] * 12), "en")[name] == (None if value is None else pytest.approx(value))


def test_no_rare_mark_in_a_long_text_is_none_at_all() -> None:
    assert style(lines(*["nothing rare here"] * 84), "en")["rare_mark_per_word"] == 0.0


def test_fillers_are_known_by_language() -> None:
    assert style(lines(*ENGLISH), None)["filler_ratio"] is None


@pytest.mark.parametrize("texts", [(), ("One line.",), ("a", "b", "c", "d")])
def test_a_short_document_has_no_style(texts: tuple[str, ...]) -> None:
    assert style(lines(*texts), "en") == dict.fromkeys(NAMES)
