"""Whether a recogniser wrote a caption: what its file says of its making, and what its style gives away.

The probability comes from the style's numbers (style.py, detector.py); what the file says of itself is kept apart.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import schema, tables, text
from pipeline.annotate import scripts
from pipeline.annotate.detector import detector, features
from pipeline.annotate.logistic import Values
from pipeline.annotate.recordings import by_recording
from pipeline.annotate.style import Line, cased_words, style

# People too leave phrases bare ("three", "to the left", a prompt of 19 words): a run of bare lines is a recogniser's
# where it is long, or where it has some lines and words and most of the document is like it. In 56 pieces of people's
# captions no run had more than 38 words, and none of three lines stood in a document that was half bare (2026-11).
_LONG_RUN_WORDS, _RUN_WORDS, _RUN_LINES, _MOSTLY = 60, 12, 3, 0.6
_MOST_LINES = 0.75  # one long line outweighs many short ones by its words
# Services whose captions are a recogniser's unless somebody corrected them; Amara, Rev.com and editors are people's.
_RECOGNISERS = re.compile(
    r"\b(?:assembly ?ai|auphonic|aws transcribe|azure|castmagic|deepgram|descript|gladia|google|happy ?scribe|kapwing|"
    r"otter\.ai|rev\.ai|riverside|simon ?says|sonix|speechmatics|temi|trint|turboscribe|veed|whisper|zoom)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineTextAnnotator:
    """Gather the evidence of a recogniser for each document, and find lines in its style in each window."""

    NAME: ClassVar[str] = "machine_text"
    VERSION: ClassVar[int] = 3
    SCHEMA: ClassVar[pa.Schema] = schema.MACHINE_TEXT
    NEEDS_AUDIO: ClassVar[bool] = False

    def measure(self, segments: pa.Table, recordings: pa.Table) -> pa.Table:
        """Measure every segment; the probability is null for documents too short to have a style."""
        rows = [row for _, document in by_recording(segments) for row in _rows(document)]
        return tables.from_rows(rows, self.SCHEMA)


def _rows(document: pa.Table) -> Iterator[dict[str, Any]]:
    first = document.slice(0, 1).to_pylist()[0]
    lines = list(_lines(document))
    script = scripts.dominant(" ".join(line.text for line in lines))
    measured = style(lines, first["declared_lang"])
    origin, evidence = _origin(first)
    shared = {
        **measured,
        "origin": origin,
        "origin_evidence": evidence,
        "is_marked_machine": origin == "machine" if lines else None,
        "is_bare_upper": _is_bare_upper(lines, script),
        "machine_probability": _probability(measured, first["has_speaker_marks"]),
    }
    windows = [[cue["text"] for cue in cues or ()] for cues in document["cues"].to_pylist()]
    ratios = iter(_bare_word_ratios(windows, script))
    for segment_id, texts in zip(document["segment_id"].to_pylist(), windows, strict=True):
        yield {
            "segment_id": segment_id,
            "is_bare": _is_bare_window(texts, script),
            "bare_word_ratio": next(ratios),
            **shared,
        }


def _lines(document: pa.Table) -> Iterator[Line]:
    for start_ms, cues in zip(document["start_ms"].to_pylist(), document["cues"].to_pylist(), strict=True):
        for cue in cues or ():
            yield Line(start_ms=start_ms + cue["start_ms"], end_ms=start_ms + cue["end_ms"], text=cue["text"])


def _origin(segment: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Say who made the caption, machine or human, and what says so; a mark in the file beats the source's word."""
    tool = segment["caption_tool"] or ""
    if segment["caption_auto_mark"]:
        return "machine", segment["caption_auto_mark"]
    if segment["declared_text_kind"] == "auto":
        return "machine", "the source declares it automatic"
    if _RECOGNISERS.search(tool):
        return "machine", tool
    if segment["is_rolling"] and segment["has_inline_timing"]:
        return "machine", "rolling cues whose words have times"
    if segment["declared_text_kind"] == "human":
        return "human", "the source declares it human"
    return ("human", tool) if tool else (None, None)


def _probability(measured: Mapping[str, float | None], has_speaker_marks: bool | None) -> float | None:
    if measured["words_per_line"] is None:
        return None
    row: Values = np.array([features(measured, has_speaker_marks)])
    return float(detector().probability(row)[0])


def _is_bare_upper(lines: Sequence[Line], script: str | None) -> bool | None:
    """Tell whether a whole document is in capitals and without marks; None without case, or with too few words."""
    whole = " ".join(line.text for line in lines)
    words = text.words(whole, scripts.spaces_words(script))
    if not cased_words(words):
        return None
    return whole.isupper() and text.sentence_marks(whole) < 0.01 * len(words)


def _is_bare_window(texts: Sequence[str], script: str | None) -> bool | None:
    if script in scripts.WITHOUT_MARKS or not any(map(str.isalpha, "".join(texts))):
        return None
    return _is_bare(" ".join(texts))


def _bare_word_ratios(windows: Sequence[Sequence[str]], script: str | None) -> list[float | None]:
    """Return for each window the share of its words on bare lines in runs that are a recogniser's."""
    if script in scripts.WITHOUT_MARKS:
        return [None] * len(windows)
    spaced = scripts.spaces_words(script)
    texts = [line for window in windows for line in window]
    sizes = np.array([len(text.words(line, spaced)) for line in texts], dtype=np.int64)
    given = np.array([size * is_run for size, is_run in zip(sizes, _in_runs(texts, sizes), strict=True)])
    ends = np.cumsum([len(window) for window in windows], dtype=np.int64)
    spans = [slice(end - len(window), end) for window, end in zip(windows, ends, strict=True)]
    return [float(given[span].sum() / sizes[span].sum()) if sizes[span].sum() else None for span in spans]


def _in_runs(texts: Sequence[str], sizes: NDArray[np.int64]) -> list[bool]:
    """Mark the lines that stand in a run of bare lines that is a recogniser's."""
    flags = [_is_bare(line) for line in texts]
    is_mostly = float(sizes[flags].sum()) > _MOSTLY * float(sizes.sum()) or sum(flags) > _MOST_LINES * len(flags)
    marked: list[bool] = []
    for is_bare, group in itertools.groupby(range(len(texts)), key=flags.__getitem__):
        rows = list(group)
        num_words = int(sizes[rows].sum())
        is_run = is_mostly and num_words >= _RUN_WORDS and len(rows) >= _RUN_LINES
        marked += [is_bare and (is_run or num_words >= _LONG_RUN_WORDS)] * len(rows)
    return marked


def _is_bare(line: str) -> bool:
    return text.sentence_marks(line) == 0 and (line == line.lower() or line == line.upper())
