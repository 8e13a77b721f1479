"""Whether a recogniser wrote a caption: what its file says of its making, and what its style gives away.

The probability comes from a small logistic regression on the style's numbers (pipeline/annotate/style.py), trained
by jobs/train_machine_text.py on simulated captions; what the file says of itself is kept apart from it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipeline import schema, tables, text
from pipeline.annotate import scripts
from pipeline.annotate.logistic import Logistic, Values
from pipeline.annotate.recordings import by_recording
from pipeline.annotate.style import NAMES, Line, style

ASSET = "machine_text.yaml"
_MIN_BARE_WORDS = 4  # people too caption fragments without a mark: "three", "to the left"
# Spreads of lengths tell how simulated sentences are cut, not who cut real ones (2026-11: 3 of 17 people's captions
# passed for a machine's with them, none without).
_NOT_USED = ("line_chars_cv", "cue_ms_cv")
# Style columns, and what only two of them together show: capitals with marks are a stenographer's, without a machine's.
FEATURES = (
    *(name for name in NAMES if name not in _NOT_USED),
    "has_speaker_marks",
    "upper_bare",
    "lower_bare",
    "touching_cut",
)
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
    VERSION: ClassVar[int] = 1
    SCHEMA: ClassVar[pa.Schema] = schema.MACHINE_TEXT
    NEEDS_AUDIO: ClassVar[bool] = False

    def measure(self, segments: pa.Table, recordings: pa.Table) -> pa.Table:
        """Measure every segment; the probability is null for documents too short to have a style."""
        rows = [row for _, document in by_recording(segments) for row in _rows(document)]
        return tables.from_rows(rows, self.SCHEMA)


def features(measured: Mapping[str, float | None], has_speaker_marks: bool | None) -> list[float]:
    """Return the classifier's inputs in the order of FEATURES; NaN is missing."""
    known = {name: float("nan") if value is None else value for name, value in measured.items()}
    known["has_speaker_marks"] = float("nan") if has_speaker_marks is None else float(has_speaker_marks)
    known["upper_bare"] = known["upper_ratio"] * known["bare_line_ratio"]
    known["lower_bare"] = (1 - known["capital_ratio"]) * known["bare_line_ratio"]
    known["touching_cut"] = known["touching_ratio"] * (1 - known["mark_end_ratio"])
    known["words_per_line"] = float(np.log(known["words_per_line"]))
    return [known[name] for name in FEATURES]


@functools.cache
def classifier() -> Logistic:
    """Read the trained weights that come with the package."""
    return Logistic.from_yaml((files("pipeline.annotate") / "assets" / ASSET).read_text("utf-8"))


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
    for segment_id, cues in zip(document["segment_id"].to_pylist(), document["cues"].to_pylist(), strict=True):
        texts = [cue["text"] for cue in cues or ()]
        yield {"segment_id": segment_id, "bare_word_ratio": _bare_word_ratio(texts, script), **shared}


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
    return float(classifier().probability(row)[0])


def _is_bare_upper(lines: Sequence[Line], script: str | None) -> bool | None:
    """Tell whether a whole document is in capitals and without marks; None where the script has no case."""
    whole = " ".join(line.text for line in lines)
    if whole.upper() == whole.lower():
        return None
    num_words = len(text.words(whole, scripts.spaces_words(script)))
    return whole.isupper() and text.sentence_marks(whole) < 0.01 * num_words


def _bare_word_ratio(texts: Sequence[str], script: str | None) -> float | None:
    """Return the share of a window's words on longer lines without marks, all lower or all upper case."""
    if script in scripts.WITHOUT_MARKS:
        return None
    sizes = [len(text.words(line, scripts.spaces_words(script))) for line in texts]
    if not sum(sizes):
        return None
    bare = (size for size, line in zip(sizes, texts, strict=True) if size >= _MIN_BARE_WORDS and _is_bare(line))
    return sum(bare) / sum(sizes)


def _is_bare(line: str) -> bool:
    return text.sentence_marks(line) == 0 and (line == line.lower() or line == line.upper())
