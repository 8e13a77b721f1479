"""What there is to know a recording's spoken language by, once a recording: three ways of one family.

`SilentSpoken` listens to nothing; `StatsSpoken` describes the speech for a model that the corpus itself trains
(`audio_language`, crossfit); `HeardSpoken` asks a model that was trained elsewhere, through `Listener`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from pipeline import schema, tables
from pipeline.annotate.spoken_stats import MAX_SECONDS, spoken_stats
from pipeline.audio import SAMPLES_PER_MS, Samples

NUM_WINDOWS = 3
WINDOW_MS = 30_000  # what Whisper hears at once (its paper, section 2.2)


@runtime_checkable
class Identified(Protocol):
    """Something inside an annotator that says what its answers depend on."""

    def identity(self) -> Mapping[str, Any]:
        """Return what its answers depend on, for the fingerprint."""
        ...


class Listener(Identified, Protocol):
    """A model that knows languages by ear."""

    def languages(self, windows: Sequence[Samples]) -> list[Mapping[str, float]]:
        """Return the probabilities of its languages for each window of at most 30 s."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentSpoken:
    """Measure nothing: the declared language is believed."""

    NAME: ClassVar[str] = "spoken"
    VERSION: ClassVar[int] = 1
    SCHEMA: ClassVar[pa.Schema] = schema.SPOKEN
    NEEDS_AUDIO: ClassVar[bool] = False

    def measure(self, segments: pa.Table, recordings: pa.Table) -> pa.Table:
        """Return nulls."""
        return tables.from_rows(
            [_nothing(segment_id) for segment_id in segments["segment_id"].to_pylist()], self.SCHEMA
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsSpoken:
    """Describe the sound of what is captioned, at most two minutes of each recording."""

    NAME: ClassVar[str] = "spoken"
    VERSION: ClassVar[int] = 2
    SCHEMA: ClassVar[pa.Schema] = schema.SPOKEN
    NEEDS_AUDIO: ClassVar[bool] = True

    def measure(self, segments: pa.Table, samples: Samples) -> pa.Table:
        """Measure one recording."""
        stats = spoken_stats(samples, _spread(_captioned(segments), MAX_SECONDS * 1000))
        return _first_row(segments, {"stats": None if stats is None else stats.tolist()})


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardSpoken:
    """Ask a model for the language of three windows of each recording, and average its answers."""

    listener: Listener

    NAME: ClassVar[str] = "spoken"
    VERSION: ClassVar[int] = 1
    SCHEMA: ClassVar[pa.Schema] = schema.SPOKEN
    NEEDS_AUDIO: ClassVar[bool] = True

    def measure(self, segments: pa.Table, samples: Samples) -> pa.Table:
        """Measure one recording; windows with captions are asked, spread over it."""
        spans = _captioned(segments)
        chosen = (
            [spans[int(at)] for at in sorted({round(at) for at in np.linspace(0, len(spans) - 1, NUM_WINDOWS)})]
            if spans
            else []
        )
        windows = [
            samples[start * SAMPLES_PER_MS : min(end, start + WINDOW_MS) * SAMPLES_PER_MS] for start, end in chosen
        ]
        answers = self.listener.languages([window for window in windows if len(window)])
        if not answers:
            return _first_row(segments, {})
        langs = list(answers[0])
        probs = [sum(answer[lang] for answer in answers) / len(answers) for lang in langs]
        return _first_row(segments, {"langs": langs, "probs": probs})


def _captioned(segments: pa.Table) -> list[tuple[int, int]]:
    rows = segments.select(["start_ms", "end_ms", "text"]).to_pylist()
    return [(row["start_ms"], row["end_ms"]) for row in rows if row["text"]]


def _spread(spans: Sequence[tuple[int, int]], max_ms: int) -> list[tuple[int, int]]:
    """Choose every nth span, so that they fill no more than max_ms and come from the whole recording."""
    total_ms = sum(end_ms - start_ms for start_ms, end_ms in spans)
    return list(spans[:: max(1, -(-total_ms // max_ms))])


def _first_row(segments: pa.Table, values: Mapping[str, Any]) -> pa.Table:
    rows = [_nothing(segment_id) for segment_id in segments["segment_id"].to_pylist()]
    return tables.from_rows([{**rows[0], **values}, *rows[1:]], schema.SPOKEN)


def _nothing(segment_id: str) -> dict[str, Any]:
    return {**dict.fromkeys(schema.SPOKEN.names), "segment_id": segment_id}
