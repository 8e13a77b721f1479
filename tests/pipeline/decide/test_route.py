"""Languages written, declared and heard, and speech, give each window its tasks or the reason it has none."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from pipeline.decide.route import RouteOptions, route, tasks_of

OPTIONS = RouteOptions(max_no_speech_ratio=0.05, min_audio_probability=0.8, max_claimed_probability=0.1)
UNHEARD = (None, None, None)


def routed(text: Any, declared: Any, text_lang: Any, speech: Any, heard: tuple[Any, Any, Any]) -> tuple[Any, ...]:
    columns = {
        "text": (text, pa.string()),
        "declared_lang": (declared, pa.string()),
        "lang": (text_lang, pa.string()),
        "speech_ratio": (speech, pa.float64()),
        "audio_lang": (heard[0], pa.string()),
        "audio_probability": (heard[1], pa.float64()),
        "claimed_probability": (heard[2], pa.float64()),
    }
    windows = pa.table({name: pa.array([value], kind) for name, (value, kind) in columns.items()})
    got = route(windows, OPTIONS)
    return tuple(column.to_pylist()[0] for column in (got.kind, got.reason, got.lang, got.text_lang))


@pytest.mark.parametrize(
    ("text", "declared", "text_lang", "speech", "expected"),
    [
        ("habari", "sw", "sw", 0.9, ("transcribe", None, "sw", "sw")),
        ("news", "sw", "en", 0.9, ("translate", None, "sw", "en")),
        ("noticias", "sw", "es", 0.9, (None, "language_mismatch", "sw", "es")),
        ("noticias", None, "es", 0.9, ("transcribe", None, "es", "es")),
        ("???", "sw", None, 0.9, (None, "unknown_language", "sw", None)),
        (None, "sw", None, 0.0, ("no_speech", None, "und", None)),
        ("", "sw", "sw", 0.0, ("no_speech", None, "und", None)),
        (None, "sw", None, 0.5, (None, "speech_without_text", "und", None)),
        (None, "sw", None, None, (None, "unmeasured:speech_ratio", "und", None)),
    ],
)
def test_languages_and_speech_give_the_kind(
    text: Any, declared: Any, text_lang: Any, speech: Any, expected: Any
) -> None:
    assert routed(text, declared, text_lang, speech, UNHEARD) == expected


@pytest.mark.parametrize(
    ("declared", "text_lang", "heard", "expected"),
    [
        ("sw", "sw", ("sw", 0.95, 0.95), ("transcribe", None, "sw", "sw")),
        ("sw", "sw", ("am", 0.95, 0.02), (None, "language_mismatch", "am", "sw")),
        ("en", "en", ("am", 0.95, 0.02), ("translate", None, "am", "en")),
        ("es", "sw", ("sw", 0.95, 0.02), ("transcribe", None, "sw", "sw")),
        ("sw", "sw", ("am", 0.7, 0.02), ("transcribe", None, "sw", "sw")),
        ("sw", "sw", ("am", 0.85, 0.15), ("transcribe", None, "sw", "sw")),
        (None, "en", ("cy", 0.95, 0.01), ("translate", None, "cy", "en")),
    ],
)
def test_a_language_heard_for_sure_beats_the_declared_one(
    declared: Any, text_lang: Any, heard: tuple[Any, Any, Any], expected: Any
) -> None:
    assert routed("words", declared, text_lang, 0.9, heard) == expected


def test_tasks_follow_from_the_kind() -> None:
    kinds = pa.chunked_array([["translate", None], ["transcribe", "no_speech"]])
    assert tasks_of(kinds).to_pylist() == [["translate"], [], ["transcribe", "detect_language"], ["no_speech"]]
