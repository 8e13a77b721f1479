from __future__ import annotations

import pytest

from pipeline.sources.embedded.captions import Cue, write_captions

CUES = [Cue(start_ms=450, end_ms=2_000, text="Uno."), Cue(start_ms=3_723_004, end_ms=3_724_000, text="Dos y tres.")]


@pytest.mark.parametrize(
    ("text_format", "text"),
    [
        (
            "vtt",
            "WEBVTT\n\n00:00:00.450 --> 00:00:02.000\nUno.\n\n01:02:03.004 --> 01:02:04.000\nDos y tres.\n",
        ),
        (
            "srt",
            "1\n00:00:00,450 --> 00:00:02,000\nUno.\n\n2\n01:02:03,004 --> 01:02:04,000\nDos y tres.\n",
        ),
    ],
)
def test_cues_are_written_in_either_format(text_format: str, text: str) -> None:
    assert write_captions(CUES, text_format) == text


@pytest.mark.parametrize(("text_format", "text"), [("vtt", "WEBVTT\n"), ("srt", "")])
def test_no_cues_make_a_file_that_says_nothing(text_format: str, text: str) -> None:
    assert write_captions([], text_format) == text
