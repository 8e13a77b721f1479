"""Whether the times of a caption can be true: reading speed, overrun past the audio, overlong cues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from pipeline import schema, tables


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingAnnotator:
    """Measure the cues of each window, and the end of its recording's caption against its audio."""

    NAME: ClassVar[str] = "timing"
    VERSION: ClassVar[int] = 2
    SCHEMA: ClassVar[pa.Schema] = schema.TIMING
    NEEDS_AUDIO: ClassVar[bool] = False

    def measure(self, segments: pa.Table, recordings: pa.Table) -> pa.Table:
        """Measure every segment; all is null where the recording has no captions."""
        durations_ms = dict(
            zip(recordings["recording_id"].to_pylist(), recordings["duration_ms"].to_pylist(), strict=True)
        )
        needed = ["segment_id", "recording_id", "cues", "cut_ms", "caption_end_ms", "alignment_confidence"]
        rows = [_row(row, durations_ms[row["recording_id"]]) for row in segments.select(needed).to_pylist()]
        return tables.from_rows(rows, self.SCHEMA)


def _row(segment: Mapping[str, Any], duration_ms: int) -> dict[str, Any]:
    caption_end_ms = segment["caption_end_ms"]
    spoken_ms = [cue["end_ms"] - cue["start_ms"] for cue in segment["cues"] or ()]
    if spoken_ms:
        spoken_ms[-1] += segment["cut_ms"]
    num_chars = sum(len(cue["text"]) for cue in segment["cues"] or ())
    return {
        "segment_id": segment["segment_id"],
        "chars_per_s": num_chars * 1000 / sum(spoken_ms) if sum(spoken_ms) else None,
        "overrun_ms": None if caption_end_ms is None else max(0, caption_end_ms - duration_ms),
        "max_cue_ms": max(spoken_ms, default=None),
        "alignment_confidence": segment["alignment_confidence"],
    }
