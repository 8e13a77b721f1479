"""Casing, punctuation, repetition and length of captions: what gives machine transcripts away, loops and stuffing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from pipeline import schema, tables, text
from pipeline.annotate import scripts
from pipeline.annotate.recordings import by_recording
from pipeline.annotate.spoken import Identified
from pipeline.annotate.style import MIN_WORDS, cased_words

NGRAM = 3
# Tokens a character costs in OpenAI's multilingual vocabulary, the most seen in 10 to 14 sentences of a language of the
# script (2026-11, pipeline/annotate/assets/phrases.yaml; one sentence for scripts from Georgian on).
_TOKENS_PER_CHAR = {
    "Latn": 0.5,
    "Cyrl": 0.45,
    "Ethi": 2.6,
    "Arab": 0.65,
    "Deva": 1.25,
    "Hani": 1.4,
    "Hira": 1.1,
    "Hang": 0.75,
    "Thai": 1.0,
    "Geor": 2.3,
    "Armn": 1.2,
    "Knda": 1.8,
    "Beng": 2.0,
    "Khmr": 2.5,
    "Sinh": 1.7,
    "Laoo": 3.0,
    "Tibt": 3.0,
    "Mymr": 2.9,
    "Taml": 1.0,
    "Grek": 0.75,
    "Hebr": 0.6,
}
_DEFAULT_TOKENS_PER_CHAR = 2.0


class TokenCounter(Identified, Protocol):
    """A vocabulary that counts its tokens."""

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text takes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStatsAnnotator:
    """Count characters, words and tokens of each window, and the habits of its whole document.

    Without `tokens`, those of OpenAI's multilingual vocabulary are estimated from the script.
    """

    tokens: TokenCounter | None = None

    NAME: ClassVar[str] = "text_stats"
    VERSION: ClassVar[int] = 5
    SCHEMA: ClassVar[pa.Schema] = schema.TEXT_STATS
    NEEDS_AUDIO: ClassVar[bool] = False

    def measure(self, segments: pa.Table, recordings: pa.Table) -> pa.Table:
        """Measure every segment; windows without text have no counts, but share their document's measures."""
        rows = [row for _, document in by_recording(segments) for row in _rows(document)]
        if self.tokens:
            texts: list[str | None] = segments["text"].to_pylist()
            given = iter(self.tokens.counts([window for window in texts if window is not None]))
            rows = [
                row if window is None else {**row, "num_tokens": next(given)}
                for row, window in zip(rows, texts, strict=True)
            ]
        return tables.from_rows(rows, self.SCHEMA)


def _rows(document: pa.Table) -> Iterator[dict[str, Any]]:
    texts: list[str | None] = document["text"].to_pylist()
    whole = " ".join(window for window in texts if window)
    lines = [cue["text"] for cues in document["cues"].to_pylist() for cue in cues or ()]
    script = scripts.dominant(whole)
    words = text.words(whole, scripts.spaces_words(script))
    marks = {"punctuation_per_word": _punctuation(whole, len(words), script)}
    habits = {**_casing(whole, words), **marks, "repeated_line_ratio": _repeated(lines)}
    for segment_id, window in zip(document["segment_id"].to_pylist(), texts, strict=True):
        yield {"segment_id": segment_id, **_counts(window, script), **habits}


def _counts(window: str | None, script: str | None) -> dict[str, int | float | None]:
    if window is None:
        return dict.fromkeys(("num_chars", "num_words", "num_tokens", "compression_ratio", "repeated_ngram_ratio"))
    words = text.words(window, scripts.spaces_words(script))
    data = bytes(ord(char) & 0xFF for char in window)  # a byte a letter: UTF-8's lead bytes repeat
    return {
        "num_chars": len(window),
        "num_words": len(words),
        "num_tokens": round(len(window) * _TOKENS_PER_CHAR.get(script or "", _DEFAULT_TOKENS_PER_CHAR)),
        "compression_ratio": len(data) / len(zlib.compress(data)),
        "repeated_ngram_ratio": _repeated_ngrams([word.casefold() for word in words]),
    }


def _repeated_ngrams(words: Sequence[str]) -> float | None:
    """Return the share of runs of NGRAM words that the window has said before; None in shorter windows."""
    runs = [tuple(words[at : at + NGRAM]) for at in range(len(words) - NGRAM + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else None


def _casing(whole: str, words: Sequence[str]) -> dict[str, bool | None]:
    if not cased_words(words):
        return {"is_all_upper": None, "is_all_lower": None}
    return {"is_all_upper": whole.isupper(), "is_all_lower": whole.islower()}


def _punctuation(whole: str, num_words: int, script: str | None) -> float | None:
    if num_words < MIN_WORDS or script in scripts.WITHOUT_MARKS:
        return None
    return text.sentence_marks(whole) / num_words


def _repeated(lines: Sequence[str]) -> float | None:
    if not lines:
        return None
    keys = [text.normalise_for_match(line) for line in lines]
    return sum(first == second for first, second in pairwise(keys)) / len(lines)
