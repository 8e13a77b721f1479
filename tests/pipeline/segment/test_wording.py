"""Sounds and speakers stay in the text or go, as the options say."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.segment.cue import Cue
from pipeline.segment.wording import WordingOptions, wording, written


def cue(text: str, speaker: str | None = None) -> Cue:
    return Cue(start_ms=0, end_ms=1000, text=text, speaker=speaker)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "Rain [Music] & wind."),
        ({"sound_tags": "strip"}, "Rain & wind."),
        ({"speaker_names": "keep"}, "Ann: Rain [Music] & wind."),
        ({"sound_tags": "strip", "speaker_names": "keep"}, "Ann: Rain & wind."),
    ],
)
def test_tags_and_names_follow_the_options(options: dict[str, Any], text: str) -> None:
    said = cue("Rain [Music] &amp; wind.", "Ann")
    assert wording(said, WordingOptions(**options)) == text
    assert written(said) == "Ann: Rain [Music] & wind."


def test_nothing_is_left_of_a_cue_of_sounds_alone() -> None:
    assert wording(cue("[Applause]"), WordingOptions(sound_tags="strip")) == ""
    assert wording(cue("", "Ann"), WordingOptions(speaker_names="keep")) == ""


def test_another_word_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="strip"):
        WordingOptions(sound_tags="stripp")  # type: ignore[arg-type]
