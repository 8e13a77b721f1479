"""Reading speed, overrun and longest cue of literal cues."""

from __future__ import annotations

from typing import Any

from pipeline import schema
from pipeline.annotate.timing import TimingAnnotator
from tests.pipeline.annotate.rows import cue, recording_table, segment, segment_table

RECORDINGS = recording_table(
    {"recording_id": "r", "duration_ms": 20_000},
    {"recording_id": "x", "status": "http_404"},
    {"recording_id": "q", "duration_ms": 20_000},
)


UNTOLD = {"alignment_confidence": None}


def measure(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    table = TimingAnnotator().measure(segment_table(*rows), RECORDINGS)
    assert table.schema.equals(schema.TIMING)
    return table.to_pylist()


def test_speed_counts_the_time_of_cues_only() -> None:
    window = segment("r", 0, 10_000, cue(0, 1000, "12345"), cue(5000, 6500, "1234567890"), caption_end_ms=6500)
    assert measure(window) == [{"segment_id": "r:0", "chars_per_s": 6.0, "overrun_ms": 0, "max_cue_ms": 1500, **UNTOLD}]


def test_what_was_cut_off_the_last_cue_counts() -> None:
    window = segment("r", 0, 2000, cue(0, 1000, "12345"), cue(1000, 2000, "12345"), cut_ms=3000, caption_end_ms=25_000)
    [row] = measure(window)
    assert (row["chars_per_s"], row["overrun_ms"], row["max_cue_ms"]) == (2.0, 5000, 4000)


def test_how_sure_laid_times_are_comes_with_the_segment() -> None:
    assert measure(segment("r", 0, 2000, alignment_confidence=0.8))[0]["alignment_confidence"] == 0.8


def test_cues_without_length_have_no_speed() -> None:
    [row] = measure(segment("r", 0, 2000, cue(500, 500), caption_end_ms=500))
    assert (row["chars_per_s"], row["max_cue_ms"]) == (None, 0)


def test_a_window_without_text_knows_only_its_recordings_overrun() -> None:
    captioned, bare = measure(segment("r", 0, 2000, caption_end_ms=25_000), segment("q", 0, 2000))
    assert captioned == {"segment_id": "r:0", "chars_per_s": None, "overrun_ms": 5000, "max_cue_ms": None, **UNTOLD}
    assert set(bare.values()) == {"q:0", None}
