"""Progress a person, a file or a program can read, and nothing in it that steers a terminal or tells a secret."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace

import pytest

from jobs.command.console import Bars, JsonLines, Lines, Quiet, console
from jobs.command.progress import Step, describe
from pipeline.errors import UserError

START = Step(stage="fetch", num_units=10, num_before=2)
HALF = replace(START, num_done=4, audio_ms=7_200_000, core_s=240.0, wall_s=120.0)
END = replace(START, num_done=8, num_failed=1, audio_ms=14_400_000, core_s=480.0, wall_s=3_700.0)


def test_a_step_tells_audio_rate_time_and_failures() -> None:
    assert describe(START) == ""
    assert describe(HALF) == "2.00 h of audio, 30 h per core-hour, 2 min 0 s left"
    assert describe(END) == "4.00 h of audio, 30 h per core-hour, in 1 h 1 min, 1 FAILED"
    assert describe(replace(HALF, audio_ms=0)) == "2 min 0 s left"


def test_plain_lines_are_few() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    for step in (START, replace(HALF, wall_s=1.0), HALF, replace(HALF, wall_s=121.0), END):
        lines.progress(step)
    assert stream.getvalue().splitlines() == [
        "fetch: 8 of 10 units to do",
        "fetch: 6 of 10 units, 2.00 h of audio, 30 h per core-hour, 2 min 0 s left",
        "fetch: 8 units done, 4.00 h of audio, 30 h per core-hour, in 1 h 1 min, 1 FAILED",
    ]


def test_a_bar_counts_what_earlier_runs_did_and_stays_when_it_is_full() -> None:
    stream = io.StringIO()
    bars = Bars(stream)
    for step in (START, HALF, END):
        bars.progress(step)
    last = stream.getvalue().rstrip("\n").rpartition("\r")[2]
    assert last.startswith("fetch          100%") and "10/10 units, 4.00 h of audio" in last and "1 FAILED" in last


def test_json_lines_have_numbers_and_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    shown = JsonLines(stream)
    shown.progress(HALF)
    shown.note("error", "unit 3")
    shown.say("kept")
    progress, log = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (progress["units"], progress["units_done"], progress["audio_h"], progress["left_s"]) == (10, 6, 2.0, 120.0)
    assert (log["event"], log["level"], log["text"]) == ("log", "error", "unit 3") and log["time"].endswith("+00:00")
    assert json.loads(capsys.readouterr().out)["text"] == "kept"


def test_quiet_shows_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    shown = Quiet(stream)
    shown.progress(END)
    shown.note("warning", "slow")
    shown.note("error", "lost")
    shown.say("kept")
    assert stream.getvalue() == "error: lost\n" and capsys.readouterr().out == ""


def test_the_log_is_one_line_without_secrets_and_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers
    with console("plain"):
        logging.getLogger("jobs").error("unit: %s", "https://me:pw@a.test/x?token=1&b=2\n\x1b[2J")
    assert capsys.readouterr().err == "error: unit: https://a.test/x?b=2 ?[2J\n"
    assert logging.getLogger().handlers == before


def test_an_unknown_console_is_named() -> None:
    with pytest.raises(UserError, match="log 'loud' does not exist"), console("loud"):
        raise AssertionError("opened")
