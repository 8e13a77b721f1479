"""Where there is speech (silero), compared with where the captions say there is and how much, and how loud it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import schema, tables
from pipeline.audio import SAMPLES_PER_MS, Samples
from pipeline.sync import find_sync
from pipeline.voice import THRESHOLD, find_speech

FLOOR_DBFS = -120.0  # digital silence; below what 16 bits can hold

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechAnnotator:
    """Measure speech in each window and under its cues; `threshold` is `find_speech`'s."""

    threshold: float = THRESHOLD

    NAME: ClassVar[str] = "speech"
    VERSION: ClassVar[int] = 3
    SCHEMA: ClassVar[pa.Schema] = schema.SPEECH
    NEEDS_AUDIO: ClassVar[bool] = True

    def measure(self, segments: pa.Table, samples: Samples) -> pa.Table:
        """Measure the segments of one recording; `samples` is the whole of it, mono at 16 kHz."""
        regions_ms = find_speech(samples, self.threshold)
        speech = Speech(regions_ms)
        windows = segments.select(["segment_id", "start_ms", "end_ms", "cues", "text"]).to_pylist()
        shared = _sync(windows, regions_ms, len(samples) // SAMPLES_PER_MS)
        return tables.from_rows([{**_row(row, samples, speech), **shared} for row in windows], self.SCHEMA)


class Speech:
    """The regions with speech of a recording, to be asked how much speech lies between two times."""

    def __init__(self, regions_ms: Sequence[tuple[int, int]]) -> None:
        """Take disjoint (start, end) regions in order of time."""
        edges = np.array(regions_ms, dtype=np.int64).reshape(-1, 2)
        lengths = edges[:, 1] - edges[:, 0]
        self._times = np.concatenate([[0], edges.reshape(-1)])
        self._spoken = np.concatenate(
            [[0], np.stack([np.cumsum(lengths) - lengths, np.cumsum(lengths)], 1).reshape(-1)]
        )

    def between(self, starts_ms: Ints, ends_ms: Ints) -> float:
        """Sum the speech in ms within disjoint intervals."""
        until = np.interp(np.stack([starts_ms, ends_ms]), self._times, self._spoken)
        return float((until[1] - until[0]).sum())


def merge(spans_ms: Sequence[tuple[int, int]]) -> tuple[Ints, Ints]:
    """Merge spans that overlap or touch; returns the starts and ends of the disjoint ones, in order."""
    merged: list[list[int]] = []
    for start_ms, end_ms in sorted(spans_ms):
        if merged and start_ms <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end_ms)
        else:
            merged.append([start_ms, end_ms])
    edges = np.array(merged, dtype=np.int64).reshape(-1, 2)
    return edges[:, 0], edges[:, 1]


def level_dbfs(samples: Samples) -> float | None:
    """Return the RMS level, full scale being 0 dB; None without samples."""
    if not len(samples):
        return None
    mean_square = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(FLOOR_DBFS, 10 * math.log10(mean_square)) if mean_square else FLOOR_DBFS


def _row(segment: Mapping[str, Any], samples: Samples, speech: Speech) -> dict[str, Any]:
    start_ms, end_ms = segment["start_ms"], segment["end_ms"]
    cues = [(start_ms + cue["start_ms"], start_ms + cue["end_ms"]) for cue in segment["cues"] or ()]
    cue_starts_ms, cue_ends_ms = merge(cues)
    cue_ms = int((cue_ends_ms - cue_starts_ms).sum())
    spoken_ms = speech.between(np.array([start_ms]), np.array([end_ms]))
    spoken_in_cues_ms = speech.between(cue_starts_ms, cue_ends_ms)
    return {
        "segment_id": segment["segment_id"],
        "speech_ratio": spoken_ms / (end_ms - start_ms) if end_ms > start_ms else None,
        "cue_speech_ratio": spoken_in_cues_ms / cue_ms if cue_ms else None,
        "uncaptioned_speech_ratio": 1 - spoken_in_cues_ms / spoken_ms if spoken_ms else None,
        "level_dbfs": level_dbfs(samples[start_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS]),
        "chars_per_speech_s": len(segment["text"]) * 1000 / spoken_ms if segment["text"] and spoken_ms else None,
    }


def _sync(
    windows: Sequence[Mapping[str, Any]], regions_ms: Sequence[tuple[int, int]], duration_ms: int
) -> dict[str, Any]:
    cues = [
        (window["start_ms"] + cue["start_ms"], window["start_ms"] + cue["end_ms"])
        for window in windows
        for cue in window["cues"] or ()
    ]
    found = find_sync(cues, regions_ms, duration_ms)
    names = ("offset_ms", "sync", "synced")
    return {name: getattr(found, name) for name in names} if found else dict.fromkeys(names)
