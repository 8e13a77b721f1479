"""Token for token what openai-whisper decodes with the same weights (tests/model/golden/openai_decoding.py)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model.decoding.batch import decode
from model.decoding.engine import Engine
from model.decoding.language import detect_language
from model.decoding.options import DecodeOptions, Window
from model.net import ModelDimensions, Whisper
from model.tokenizer import Tokenizer
from tests.model.golden import openai_decoding as golden

ANSWERS = json.loads(golden.PATH.read_bytes())


@pytest.fixture(scope="module")
def engine() -> Engine:
    net = Whisper(ModelDimensions(**golden.DIMS))
    golden.fill(net)
    return Engine(net.eval())


@pytest.mark.parametrize("name", list(golden.CASES))
def test_tokens_and_scores_are_those_of_openai_whisper(name: str, engine: Engine) -> None:
    given: dict[str, Any] = golden.SHARED | golden.CASES[name]
    options = DecodeOptions(
        beam_size=given.get("beam_size", 1),
        patience=given.get("patience", 1.0),
        length_penalty=given.get("length_penalty"),
        max_tokens=given["sample_len"],
        suppress_blank=given.get("suppress_blank", True),
        suppress_non_speech="suppress_tokens" not in given,
        max_initial_timestamp_ms=1000 if "max_initial_timestamp" not in given else None,
    )
    windows = [
        Window(
            mel_FT=mel_FT,
            task=given.get("task", "transcribe"),
            lang=given["language"],
            timestamps="without_timestamps" not in given,
            previous=tuple(given.get("prompt", ())),
        )
        for mel_FT in golden.windows()
    ]
    answers = decode(engine, Tokenizer.openai(), windows, options, size=3)
    assert [list(answer.tokens) for answer in answers] == [one["tokens"] for one in ANSWERS[name]]
    for answer, expected in zip(answers, ANSWERS[name], strict=True):
        for score in ("avg_logprob", "no_speech_prob", "compression_ratio"):
            assert getattr(answer, score) == pytest.approx(expected[score], abs=2e-5)


def test_languages_are_as_probable_as_to_openai_whisper(engine: Engine) -> None:
    starts = detect_language(engine, Tokenizer.openai(), list(golden.windows()))
    for start, expected in zip(starts, ANSWERS["languages"], strict=True):
        assert {code: start.lang_probs[code] for code in expected} == pytest.approx(expected, abs=1e-5)
