"""Casing, punctuation, repetition and length of captions: what gives machine transcripts away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import pyarrow as pa

from pipeline import schema, tables, text
from pipeline.annotate import scripts
from pipeline.annotate.recordings import by_recording

# Thai and Lao close a sentence with a space, so that marks tell nothing there.
_SCRIPTS_WITHOUT_MARKS = frozenset({"Thai", "Laoo"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStatsAnnotator:
    """Count characters and words of each window, and the habits of its whole document."""

    NAME: ClassVar[str] = "text_stats"
    VERSION: ClassVar[int] = 1
    SCHEMA: ClassVar[pa.Schema] = schema.TEXT_STATS
    NEEDS_AUDIO: ClassVar[bool] = False

    def measure(self, segments: pa.Table, recordings: pa.Table) -> pa.Table:
        """Measure every segment; windows without text have no counts, but share their document's measures."""
        rows = [row for _, document in by_recording(segments) for row in _rows(document)]
        return tables.from_rows(rows, self.SCHEMA)


def _rows(document: pa.Table) -> Iterator[dict[str, Any]]:
    texts: list[str | None] = document["text"].to_pylist()
    whole = " ".join(window for window in texts if window)
    lines = [cue["text"] for cues in document["cues"].to_pylist() for cue in cues or ()]
    script = scripts.dominant(whole)
    habits = {**_casing(whole), **_punctuation(whole, script), "repeated_line_ratio": _repeated(lines)}
    for segment_id, window in zip(document["segment_id"].to_pylist(), texts, strict=True):
        yield {"segment_id": segment_id, **_counts(window, script), **habits}


def _counts(window: str | None, script: str | None) -> dict[str, int | None]:
    if window is None:
        return {"num_chars": None, "num_words": None}
    return {"num_chars": len(window), "num_words": len(text.words(window, scripts.spaces_words(script)))}


def _casing(whole: str) -> dict[str, bool | None]:
    if whole.upper() == whole.lower():
        return {"is_all_upper": None, "is_all_lower": None}
    return {"is_all_upper": whole.isupper(), "is_all_lower": whole.islower()}


def _punctuation(whole: str, script: str | None) -> dict[str, float | None]:
    num_words = len(text.words(whole, scripts.spaces_words(script)))
    if num_words == 0 or script in _SCRIPTS_WITHOUT_MARKS:
        return {"punctuation_per_word": None}
    return {"punctuation_per_word": text.sentence_marks(whole) / num_words}


def _repeated(lines: Sequence[str]) -> float | None:
    if not lines:
        return None
    keys = [text.normalise_for_match(line) for line in lines]
    return sum(first == second for first, second in pairwise(keys)) / len(lines)
