"""Machine transcripts: told by their file, by their style, by single lines; and people's captions, left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline import schema
from pipeline.annotate import simulate
from pipeline.annotate.detector import FEATURES, MARKED, UNMARKED, detector
from pipeline.annotate.machine_text import MachineTextAnnotator
from pipeline.annotate.style import Line
from tests.pipeline.annotate.rows import cue, recording_table, said, segment, segment_table

PROSE = "There will be rain in the north today, and wind in the south.\nThe school is on the left. Is it far?"


def measure(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    table = MachineTextAnnotator().measure(segment_table(*rows), recording_table())
    assert table.schema.equals(schema.MACHINE_TEXT)
    return table.to_pylist()


def document(lines: list[Line], lang: str, **columns: Any) -> dict[str, Any]:
    """One long segment that holds a document's lines."""
    cues = [cue(line.start_ms, line.end_ms, line.text) for line in lines]
    return segment("r", 0, lines[-1].end_ms, *cues, declared_lang=lang, **columns)


def probability(style_name: str, lang: str, seed: int = 0, **columns: Any) -> float:
    rng = np.random.default_rng(seed)
    sentences = [simulate.phrases()[lang][1][int(at)] for at in rng.integers(0, 5, 30)]
    written = (simulate.HUMAN | simulate.MACHINE)[style_name](simulate.speak(sentences, lang, rng), rng)
    return measure(document(written, lang, **columns))[0]["machine_probability"]


@pytest.mark.parametrize(
    ("columns", "origin"),
    [
        ({"caption_auto_mark": "acAsrConf"}, ("machine", "acAsrConf")),
        (
            {"caption_auto_mark": "NOTE Confidence: 0.9", "declared_text_kind": "human"},
            ("machine", "NOTE Confidence: 0.9"),
        ),
        ({"declared_text_kind": "auto"}, ("machine", "the source declares it automatic")),
        ({"caption_tool": "Transcribed by Otter.ai"}, ("machine", "Transcribed by Otter.ai")),
        ({"is_rolling": True, "has_inline_timing": True}, ("machine", "rolling cues whose words have times")),
        ({"is_rolling": True, "has_inline_timing": False}, (None, None)),
        ({"declared_text_kind": "human"}, ("human", "the source declares it human")),
        ({"caption_tool": "Subtitles by the Amara.org community"}, ("human", "Subtitles by the Amara.org community")),
        ({}, (None, None)),
    ],
)
def test_what_a_file_says_of_its_making_is_kept_with_its_words(
    columns: dict[str, Any], origin: tuple[Any, Any]
) -> None:
    [row] = measure(*said("r", PROSE, **columns))
    assert (row["origin"], row["origin_evidence"]) == origin
    assert row["is_marked_machine"] is (origin[0] == "machine")


@pytest.mark.parametrize("lang", ["en", "sw", "am", "ar", "hi", "ko"])
def test_bare_lines_are_a_machines_and_a_script_that_is_read_is_not(lang: str) -> None:
    assert probability("rolling_auto", lang) > 0.8
    assert probability("read_aloud", lang) < 0.6


@pytest.mark.parametrize("lang", ["am", "ar", "hi", "ja", "th", "zh"])
def test_scripts_with_other_habits_do_not_look_machine_made(lang: str) -> None:
    assert all(probability(name, lang) < 0.95 for name in simulate.HUMAN)


@pytest.mark.parametrize("style_name", ["translated", "course", "aligned"])
@pytest.mark.parametrize("lang", ["en", "ru", "zh"])
def test_lines_that_touch_on_a_clock_are_still_a_persons(style_name: str, lang: str) -> None:
    assert all(probability(style_name, lang, seed) < 0.95 for seed in range(4))


@pytest.mark.parametrize("lang", ["ja", "zh"])
def test_lines_without_a_mark_or_a_space_are_a_machines_where_words_are_not_spaced(lang: str) -> None:
    assert probability("service_bare", lang) > 0.7
    assert probability("subtitles", lang, seed=1) < 0.6


def test_lines_of_one_clause_need_no_mark_and_no_space() -> None:
    short, long = (
        [Line(start_ms=2000 * at, end_ms=2000 * at + 1500, text=words) for at in range(40)]
        for words in ("今天北方有雨", "今天北方有雨明天南方有风学校在左边")
    )
    chances = [measure(document(written, "zh"))[0]["machine_probability"] for written in (short, long)]
    assert chances[0] < chances[1] - 0.2


def test_a_stenographers_capitals_are_a_persons() -> None:
    assert probability("broadcast", "en", has_speaker_marks=True) < 0.1
    assert probability("bare_upper", "en") > 0.9
    steno, machine, name = measure(
        *said("s", PROSE.upper()),
        *said("m", PROSE.upper().translate(dict.fromkeys(map(ord, ".,?")))),
        *said("n", "SIP"),
    )
    assert (steno["is_bare_upper"], machine["is_bare_upper"], name["is_bare_upper"]) == (False, True, None)


BARE = "rain in the north\nwind in the south\nsun in the east"


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        (BARE, 1.0),
        (BARE.upper(), 1.0),
        (f"{BARE}\nThe school is on the left.", 12 / 18),  # most of the document is bare
        (f"{BARE}\nThe school is on the left.\nThere will be rain.", 0.0),  # half of it is: people's phrases
        # one long line among nine bare ones does not make the document a person's
        (f"{BARE}\n{BARE}\n{BARE}\n{'The school is on the left, ' * 7}.", 36 / 78),
        ("press 1 to accept this recording press 2 to listen to it press 3 to record", 0.0),  # one line, of any length
        ("three\nto the left\nfolder", 0.0),  # three lines, but hardly a word
        (f"{'rain in the north, ' * 20}\n{'wind in the south ' * 15}", 60 / 140),  # a long run, in any document
        ("ዝናብ ይኖራል ነገ ማታ\nነገ ዛሬ ማታ ነው\nዝናብ በሰሜን ነው ነገ", 1.0),
        ("rain, in the north\nWind in the south", 0.0),
        ("今天北方有雨", None),
        ("♪♪", None),
    ],
)
def test_words_in_a_run_of_bare_lines_are_counted(text: str, ratio: float | None) -> None:
    [row] = measure(*said("r", text))
    assert row["bare_word_ratio"] == (None if ratio is None else pytest.approx(ratio))


def test_a_run_goes_on_over_windows_and_each_has_its_share() -> None:
    rows = measure(*said("r", "rain in the north", None, "wind in the south\nsun in the east", "The school."))
    assert [row["bare_word_ratio"] for row in rows] == [1.0, None, 1.0, 0.0]


@pytest.mark.parametrize(
    ("text", "is_bare"),
    [
        ("rain in the north", True),
        ("RAIN", True),
        ("Rain in the north", False),
        ("rain.", False),
        ("12", None),
        ("雨", None),
    ],
)
def test_a_window_is_bare_by_itself(text: str, is_bare: bool | None) -> None:
    assert measure(*said("r", text))[0]["is_bare"] is is_bare


def test_a_recording_without_text_has_no_style_and_no_mark() -> None:
    [row] = measure(*said("r", None))
    assert {value for name, value in row.items() if name != "segment_id"} == {None}


def test_the_style_is_that_of_the_whole_document() -> None:
    rows = measure(*said("r", PROSE, None, PROSE))
    assert len({row["machine_probability"] for row in rows}) == 1
    assert rows[0]["machine_probability"] is not None


def test_the_packages_weights_fit_the_features() -> None:
    models = detector()
    assert (models.marked.names, models.unmarked.names) == (MARKED, UNMARKED)
    assert "simulated documents" in models.marked.about
    unknown = np.full((1, len(FEATURES)), np.nan)
    assert models.probability(unknown)[0] == pytest.approx(1 / (1 + np.exp(-models.unmarked.bias)))
