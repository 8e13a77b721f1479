"""The language a caption is written in: the script names candidates, py3langid chooses, CLD2 and langid cross-check.

Where py3langid and CLD2 agree they erred on none of 155 short captions (2026-11); so a document's confidence is what
py3langid says, halved where CLD2 says another language, and a window speaks against its document only when both do.

It does not tell Tigrinya from Amharic, Yiddish from Hebrew, or any language unknown to py3langid from one of
Whisper's in the same script.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from pipeline import schema, tables, text
from pipeline.annotate import scripts
from pipeline.annotate.recordings import by_recording
from pipeline.languages import code_of

# Labels of the two detectors that Whisper writes differently, or counts as a variety of another.
_ALIASES = {"jv": "jw", "nb": "no", "arz": "ar", "ary": "ar", "wuu": "zh", "uzs": "uz"}
# Of a window, to say that it is in another language: of 168 sentences in 16 languages one was wrong for both detectors,
# with py3langid at 0.49 (2026-11, pipeline/annotate/assets/phrases.yaml).
SURE = 0.8
_TRUST = 9.0  # odds that a source's word for its language is right: it speaks for what the text says too
_MIN_LETTERS, _UNSAID = 20, 0.5  # "Dix-huit" alone speaks against nothing that its source says
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
    VERSION: ClassVar[int] = 4
    SCHEMA: ClassVar[pa.Schema] = schema.TEXT_LANGUAGE
    NEEDS_AUDIO: ClassVar[bool] = False

    def measure(self, segments: pa.Table, recordings: pa.Table) -> pa.Table:
        """Measure every segment; all is null for a document without letters, and for windows without text."""
        rows = [row for _, document in by_recording(segments) for row in _rows(document)]
        return tables.from_rows(rows, self.SCHEMA)


def detect(written: str, declared: str | None) -> Guess | None:
    """Name the language of a text; None without letters, or where the declared one is beyond the detector."""
    script = scripts.dominant(written)
    candidates = scripts.languages_of(script) if script else ()
    if len(candidates) == 1:
        return Guess(lang=candidates[0], confidence=1.0)
    probabilities = _probabilities(written)
    known = [code for code in candidates if code in probabilities]
    if not known or (declared in candidates and declared not in probabilities):
        return None
    best = max(known, key=lambda code: (probabilities[code], code))
    for close in _CLOSE:
        if declared and {best, declared} <= close:
            return Guess(lang=declared, confidence=sum(probabilities[code] for code in close))
    return Guess(lang=best, confidence=probabilities[best])


def second_opinion(written: str) -> str | None:
    """Name the language CLD2 finds; None where it finds none, or is given what is no text."""
    try:
        _, _, found = _cld2().detect(written, isPlainText=True, bestEffort=True)
    except _cld2().error:
        return None
    label = found[0][1].split("-")[0]
    return None if label == "un" else _ALIASES.get(label, code_of(label))


def _rows(document: pa.Table) -> Iterator[dict[str, Any]]:
    texts: list[str | None] = document["text"].to_pylist()
    declared: str | None = document["declared_lang"][0].as_py()
    whole = "\n".join(text.without_sound_tags(window) for window in texts if window)
    guess = detect(whole, declared)
    cld2 = second_opinion(whole) if guess else None
    shared = {
        "lang": guess.lang if guess else None,
        "confidence": _confidence(guess, cld2, declared, sum(map(str.isalpha, whole))) if guess else None,
        "cld2_lang": cld2,
        "langid_lang": _third_opinion(whole) if guess else None,
        "matches_declared": guess.lang == declared if guess and declared else None,
    }
    for segment_id, window in zip(document["segment_id"].to_pylist(), texts, strict=True):
        own = detect(window, declared) if window else None
        is_other = _is_other(own, guess, window) if own and guess and window else None
        lang = own.lang if own else None
        yield {**shared, "segment_id": segment_id, "window_lang": lang, "is_other_lang": is_other}


def _is_other(own: Guess, whole: Guess, window: str) -> bool:
    """Tell whether both detectors are sure that a window is in another language than its document."""
    return own.lang != whole.lang and own.confidence >= SURE and _same(own.lang, second_opinion(window))


def _confidence(guess: Guess, cld2: str | None, declared: str | None, num_letters: int) -> float:
    """Weigh what py3langid says with what the source declares (Bayes' rule) and with CLD2's answer."""
    odds = _TRUST if guess.lang == declared else 1.0
    weighed = guess.confidence * odds / (guess.confidence * odds + 1 - guess.confidence)
    sure = weighed if cld2 is None or _same(guess.lang, cld2) else weighed / 2
    return max(sure, _UNSAID) if guess.lang == declared and num_letters < _MIN_LETTERS else sure


def _same(lang: str, other: str | None) -> bool:
    return lang == other or any({lang, other} <= close for close in _CLOSE)


def _probabilities(written: str) -> dict[str, float]:
    ranked: list[tuple[str, float]] = _py3langid().rank(written)
    merged: dict[str, float] = {}
    for label, probability in ranked:
        code = _ALIASES.get(label, label)
        merged[code] = merged.get(code, 0.0) + probability
    return merged


def _third_opinion(written: str) -> str:
    label: str = _langid().classify(written)[0]
    return _ALIASES.get(label, label)


@functools.cache
def _py3langid() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@functools.cache
def _cld2() -> Any:
    import pycld2

    return pycld2


@functools.cache
def _langid() -> Any:
    from langid.langid import LanguageIdentifier, model

    return LanguageIdentifier.from_modelstring(model, norm_probs=False)
