"""Transcripts against what a model hears."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from pipeline import schema
from pipeline.annotate.agreement import AgreementAnnotator, error_rate, margin
from pipeline.annotate.stage import annotate_stage
from pipeline.audio import SAMPLE_RATE, Samples
from tests.pipeline.annotate.rows import cue, segment, segment_table


@dataclass
class Scribe:
    """Hears a word for each second that is as loud as 1, and notes what it was asked."""

    asked: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def identity(self) -> Mapping[str, Any]:
        return {"model": "scribe"}

    def knows(self, lang: str) -> bool:
        return lang != "xx"

    def texts(self, windows: Sequence[Samples], langs: Sequence[str]) -> list[str]:
        self.asked += [(len(window), lang) for window, lang in zip(windows, langs, strict=True)]
        return [" ".join(["word"] * int(window.sum() / SAMPLE_RATE)) for window in windows]


def test_text_of_other_speech_is_far_from_what_is_heard() -> None:
    scribe = Scribe()
    segments = segment_table(
        segment("r", 0, 4000, cue(0, 4000, "Word, word, word, word."), declared_lang="en"),
        segment("r", 4000, 8000, cue(0, 4000, "something else altogether"), declared_lang="en"),
        segment("r", 8000, 9000, declared_lang="en"),
    )
    table = AgreementAnnotator(transcriber=scribe).measure(segments, np.ones(9 * SAMPLE_RATE, np.float32))
    assert table.schema.equals(schema.AGREEMENT)
    assert table["heard_text"].to_pylist() == ["word word word word"] * 2 + [None]
    right, wrong, none = table["error_rate"].to_pylist()
    assert right == 0 and wrong > 0.6 and none is None
    near, far, none = table["margin"].to_pylist()
    assert near == 1 and far < 0.25 and none is None
    assert far < table["document_margin"][0].as_py() < near
    assert scribe.asked == [(4 * SAMPLE_RATE, "en")] * 2


@pytest.mark.parametrize("lang", ["xx", None])
def test_a_language_the_model_does_not_write_is_not_measured(lang: str | None) -> None:
    table = AgreementAnnotator(transcriber=Scribe()).measure(
        segment_table(segment("r", 0, 1000, cue(0, 900, "word"), declared_lang=lang)), np.ones(SAMPLE_RATE, np.float32)
    )
    assert table.drop_columns(["segment_id"]).to_pylist() == [
        {"heard_text": None, "error_rate": None, "margin": None, "document_margin": None}
    ]


@pytest.mark.parametrize(
    ("written", "heard", "rate"),
    [
        ("A b.", "a B", 0),
        ("ab", "", 1),
        ("♪", "ab", None),
        ("ab", "abab", 1),
        ("ነው።", "ነው", 0),
        ("numero", "número", 0),
    ],
)
def test_case_and_marks_are_no_errors(written: str, heard: str, rate: float | None) -> None:
    assert error_rate(written, heard) == rate


@pytest.mark.parametrize(
    ("written", "heard", "expected"),
    [
        ("the rain in the south", "The rain in the south.", 1),
        ("the rain in the south", "", 0),
        ("", "the rain", None),
        ("twenty", "20", None),
        ("saippuakivikauppias", "saippuakivikauppias", None),
        ("今天下雨了", "今天下雨了", 1),
    ],
)
def test_a_margin_is_how_much_nearer_than_chance(written: str, heard: str, expected: float | None) -> None:
    assert margin(written, heard) == expected


SPANISH = "Por favor, espere un momento mientras busco el número de la estación."
ENGLISH = "Please wait for a moment while I look for the number of the station."


@pytest.mark.parametrize(
    ("written", "declared", "asked"),
    [(SPANISH, "es", ["es"]), (SPANISH, "en", ["es"]), (SPANISH, None, ["es"]), (ENGLISH, None, ["en"])],
)
def test_the_model_is_asked_in_the_language_of_the_text(written: str, declared: str | None, asked: list[str]) -> None:
    scribe = Scribe()
    segments = segment_table(segment("r", 0, 1000, cue(0, 900, written), declared_lang=declared))
    AgreementAnnotator(transcriber=scribe).measure(segments, np.ones(SAMPLE_RATE, np.float32))
    assert [lang for _, lang in scribe.asked] == asked


def test_what_may_be_a_translation_is_not_measured() -> None:
    scribe = Scribe()
    segments = segment_table(segment("r", 0, 1000, cue(0, 900, ENGLISH), declared_lang="es"))
    table = AgreementAnnotator(transcriber=scribe).measure(segments, np.ones(SAMPLE_RATE, np.float32))
    assert scribe.asked == [] and table["margin"].to_pylist() == table["document_margin"].to_pylist() == [None]


def test_the_model_is_part_of_the_fingerprint() -> None:
    [output] = annotate_stage({"agreement": AgreementAnnotator(transcriber=Scribe())}).outputs
    assert output.config == {"transcriber": {"model": "scribe"}}
