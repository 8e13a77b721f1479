"""The language a caption is written in: the script names candidates, py3langid chooses, langid cross-checks.

It does not tell Tigrinya from Amharic, Yiddish from Hebrew, or any language unknown to py3langid from one of
Whisper's in the same script.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from pipeline import schema, tables
from pipeline.annotate import scripts
from pipeline.annotate.recordings import by_recording

# Labels of the two detectors that Whisper writes differently, or counts as a variety of another.
_ALIASES = {"jv": "jw", "nb": "no", "arz": "ar", "ary": "ar", "wuu": "zh", "uzs": "uz"}
# Languages the detectors take for each other on whole paragraphs (measured 2026-11): the declared one wins.
_CLOSE = (frozenset({"hr", "bs", "sr"}), frozenset({"id", "ms"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A language and its probability among every language py3langid knows, not only Whisper's.

    So Irish or Frisian, which are none of Whisper's, get a wrong language with a confidence near 0.
    """

    lang: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLanguageAnnotator:
    """Find the language of each document and of each window."""

    NAME: ClassVar[str] = "text_language"
    VERSION: ClassVar[int] = 1
    SCHEMA: ClassVar[pa.Schema] = schema.TEXT_LANGUAGE
    NEEDS_AUDIO: ClassVar[bool] = False

    def measure(self, segments: pa.Table, recordings: pa.Table) -> pa.Table:
        """Measure every segment; all is null for a document without letters, and for windows without text."""
        rows = [row for _, document in by_recording(segments) for row in _rows(document)]
        return tables.from_rows(rows, self.SCHEMA)


def detect(text: str, declared: str | None) -> Guess | None:
    """Name the language of a text; None without letters, or where the declared one is beyond the detector."""
    script = scripts.dominant(text)
    candidates = scripts.languages_of(script) if script else ()
    if len(candidates) == 1:
        return Guess(lang=candidates[0], confidence=1.0)
    probabilities = _probabilities(text)
    known = [code for code in candidates if code in probabilities]
    if not known or (declared in candidates and declared not in probabilities):
        return None
    best = max(known, key=lambda code: (probabilities[code], code))
    for close in _CLOSE:
        if declared and {best, declared} <= close:
            return Guess(lang=declared, confidence=sum(probabilities[code] for code in close))
    return Guess(lang=best, confidence=probabilities[best])


def _rows(document: pa.Table) -> Iterator[dict[str, Any]]:
    texts: list[str | None] = document["text"].to_pylist()
    declared: str | None = document["declared_lang"][0].as_py()
    whole = "\n".join(window for window in texts if window)
    guess = detect(whole, declared)
    shared = {
        "lang": guess.lang if guess else None,
        "confidence": guess.confidence if guess else None,
        "langid_lang": _second_opinion(whole) if guess else None,
        "matches_declared": guess.lang == declared if guess and declared else None,
    }
    for segment_id, window in zip(document["segment_id"].to_pylist(), texts, strict=True):
        own = detect(window, declared) if window else None
        yield {**shared, "segment_id": segment_id, "window_lang": own.lang if own else None}


def _probabilities(text: str) -> dict[str, float]:
    ranked: list[tuple[str, float]] = _py3langid().rank(text)
    merged: dict[str, float] = {}
    for label, probability in ranked:
        code = _ALIASES.get(label, label)
        merged[code] = merged.get(code, 0.0) + probability
    return merged


def _second_opinion(text: str) -> str:
    label: str = _langid().classify(text)[0]
    return _ALIASES.get(label, label)


@functools.cache
def _py3langid() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@functools.cache
def _langid() -> Any:
    from langid.langid import LanguageIdentifier, model

    return LanguageIdentifier.from_modelstring(model, norm_probs=False)
