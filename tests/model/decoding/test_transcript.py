"""The files a transcript is written to."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from model.decoding.transcript import WRITERS, Segment, Transcript, Word

HELLO = Segment(
    start_ms=0, end_ms=1500, text="Hello & <you>", tokens=(1, 2), avg_logprob=-0.2, no_speech_prob=0.1,
    compression_ratio=1.0, temperature=0.0,
)  # fmt: skip
LATE = replace(HELLO, start_ms=3_723_040, end_ms=3_724_000, text="a\tb --> c")
SAID = Transcript(lang="en", lang_prob=0.9, duration_ms=4_000_000, segments=(HELLO, LATE))
NOTHING = Transcript(lang="und", lang_prob=None, duration_ms=10, segments=())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("txt", "Hello & <you>\na\tb --> c\n"),
        (
            "srt",
            "1\n00:00:00,000 --> 00:00:01,500\nHello & <you>\n\n2\n01:02:03,040 --> 01:02:04,000\na\tb -> c\n",
        ),
        (
            "vtt",
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello &amp; &lt;you&gt;\n\n"
            "01:02:03.040 --> 01:02:04.000\na\tb --&gt; c\n",
        ),
        ("tsv", "start\tend\ttext\n0\t1500\tHello & <you>\n3723040\t3724000\ta b --> c\n"),
    ],
)
def test_each_format_has_its_clock_and_its_marks(name: str, text: str) -> None:
    assert WRITERS[name](SAID) == text


@pytest.mark.parametrize(
    ("name", "text"), [("txt", ""), ("srt", ""), ("vtt", "WEBVTT\n"), ("tsv", "start\tend\ttext\n")]
)
def test_nothing_said_is_a_valid_file(name: str, text: str) -> None:
    assert WRITERS[name](NOTHING) == text


def test_json_holds_everything() -> None:
    found = json.loads(WRITERS["json"](SAID))
    assert (found["lang"], found["lang_prob"], found["duration_ms"]) == ("en", 0.9, 4_000_000)
    assert found["segments"][0]["text"] == "Hello & <you>"
    assert found["segments"][0]["avg_logprob"] == -0.2


def test_vtt_words_carry_their_starts() -> None:
    words = (
        Word(start_ms=0, end_ms=500, text=" Hello", prob=1.0),
        Word(start_ms=500, end_ms=900, text=" you.", prob=1.0),
    )
    timed = replace(SAID, segments=(replace(HELLO, words=words),))
    assert "\nHello<00:00:00.500> you.\n" in WRITERS["vtt"](timed)
