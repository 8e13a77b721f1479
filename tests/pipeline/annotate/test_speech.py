"""Speech against cues, on a synthetic voice, noise and silence."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from pipeline import schema
from pipeline.annotate.speech import FLOOR_DBFS, Speech, SpeechAnnotator, level_dbfs, merge
from pipeline.audio import SAMPLE_RATE, Samples
from pipeline.sources.embedded.voice import speak
from tests.pipeline.annotate.rows import cue, segment, segment_table


@cache
def voice() -> Samples:
    """Exactly five seconds of speech."""
    sentence = "There will be rain in the north today, and the school is on the left of the library. " * 2
    spoken = speak(sentence, voice="en-us", rate_wpm=160, pitch=50)
    return 0.5 * spoken[: 5 * SAMPLE_RATE] / np.abs(spoken).max()


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)


def measure(samples: Samples, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    table = SpeechAnnotator().measure(segment_table(*rows), samples)
    assert table.schema.equals(schema.SPEECH)
    return table.to_pylist()


def test_cues_on_speech_differ_from_cues_beside_it() -> None:
    samples = np.concatenate([silence(5), voice(), silence(5)])
    right, late, half = measure(
        samples,
        segment("r", 3000, 15_000, cue(2000, 7000)),
        segment("r", 1, 15_001, cue(9999, 14_999)),
        segment("r", 2, 15_000, cue(4998, 7498)),
    )
    assert right["speech_ratio"] == pytest.approx(5 / 12, abs=0.03)
    assert right["cue_speech_ratio"] > 0.9 and right["uncaptioned_speech_ratio"] < 0.05
    assert late["cue_speech_ratio"] < 0.05 and late["uncaptioned_speech_ratio"] > 0.95
    assert half["cue_speech_ratio"] > 0.9 and half["uncaptioned_speech_ratio"] == pytest.approx(0.5, abs=0.05)


def test_each_window_is_measured_at_its_own_place() -> None:
    samples = np.concatenate([silence(5), voice(), silence(5)])
    before, during, after = measure(
        samples, segment("r", 0, 4800), segment("r", 5000, 10_000), segment("r", 10_200, 15_000)
    )
    assert (before["speech_ratio"], after["speech_ratio"]) == (0, 0)
    assert during["speech_ratio"] > 0.9
    assert (before["level_dbfs"], after["level_dbfs"]) == (FLOOR_DBFS, FLOOR_DBFS)
    assert -30 < during["level_dbfs"] < -6


@pytest.mark.parametrize("level", [0.0, 0.001, 0.1])
def test_silence_and_noise_are_no_speech(level: float) -> None:
    samples = level * np.random.default_rng(3).standard_normal(10 * SAMPLE_RATE).astype(np.float32)
    [row] = measure(samples, segment("r", 0, 10_000, cue(0, 9000)))
    assert row["speech_ratio"] == pytest.approx(0, abs=0.05)
    assert row["cue_speech_ratio"] == pytest.approx(0, abs=0.05)


def test_without_cues_or_speech_there_is_nothing_to_compare() -> None:
    [row] = measure(silence(5), segment("r", 0, 5000))
    assert (row["speech_ratio"], row["cue_speech_ratio"], row["uncaptioned_speech_ratio"]) == (0, None, None)
    [pointlike] = measure(silence(5), segment("r", 0, 5000, cue(100, 100)))
    assert pointlike["cue_speech_ratio"] is None


def test_a_window_without_audio_has_no_measurements() -> None:
    [row] = measure(silence(0), segment("r", 0, 0))
    assert set(row.values()) == {"r:0", None}


def test_the_threshold_is_a_parameter() -> None:
    table = segment_table(segment("r", 0, 5000))
    strict, lax = (
        SpeechAnnotator(threshold=threshold).measure(table, voice())["speech_ratio"][0].as_py()
        for threshold in (0.99, 0.2)
    )
    assert strict < lax


@pytest.mark.parametrize(
    ("spans", "merged"),
    [
        ([], []),
        ([(0, 5), (5, 9)], [(0, 9)]),
        ([(0, 5), (3, 4), (7, 8)], [(0, 5), (7, 8)]),
        ([(7, 8), (0, 5)], [(0, 5), (7, 8)]),
    ],
)
def test_overlapping_cues_count_once(spans: list[tuple[int, int]], merged: list[tuple[int, int]]) -> None:
    starts, ends = merge(spans)
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == merged


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 100, 30), (0, 15, 5), (12, 18, 6), (20, 40, 0), (35, 55, 15), (60, 99, 0), (15, 45, 10)],
)
def test_speech_between_two_times_is_summed(start: int, end: int, expected: int) -> None:
    speech = Speech([(10, 20), (40, 60)])
    assert speech.between(np.array([start]), np.array([end])) == expected


def test_speech_from_the_first_sample_on_and_none_at_all() -> None:
    assert Speech([(0, 20)]).between(np.array([0, 10]), np.array([5, 30])) == 15
    assert Speech([]).between(np.array([0]), np.array([30])) == 0


@pytest.mark.parametrize(
    ("samples", "level"),
    [(np.ones(10, dtype=np.float32), 0.0), (np.full(10, 0.1, dtype=np.float32), -20.0), (silence(1), FLOOR_DBFS)],
)
def test_level_is_relative_to_full_scale(samples: Samples, level: float) -> None:
    assert level_dbfs(samples) == pytest.approx(level, abs=1e-5)
