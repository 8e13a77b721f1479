"""How far a transcript is from what a model hears: the one measure that finds text of other speech, well timed.

Any model will do, a first one of one's own too: what counts is by how much its words are nearer to the text than to
the same letters backwards, which is what text of other speech is like whatever the script. On 75 real windows 600 such
texts had margins of at most 0.29, the right ones of at least 0.39, 0.95 in the median of English and 0.86 in that of
Spanish (OpenAI's base, with a WER of 0.05 and 0.3; 2026-11). How well it hears a language is seen from the language's
windows together (`peers.heard_margin`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import jiwer
import pyarrow as pa

from pipeline import schema, tables, text
from pipeline.annotate.spoken import WINDOW_MS, Identified
from pipeline.annotate.text_language import SURE, detect, second_opinion
from pipeline.audio import SAMPLES_PER_MS, Samples

_ACCENTS = re.compile("[\u0300-\u036f]")  # not the vowel signs of other scripts
MIN_BYTES = 15  # of a text's letters, as UTF-8: three Latin words or five Chinese characters
TRANSLATED = "en"  # Whisper's task is to English only


class Transcriber(Identified, Protocol):
    """A model that writes down what it hears."""

    def knows(self, lang: str) -> bool:
        """Tell whether it can be asked to write a language."""
        ...

    def texts(self, windows: Sequence[Samples], langs: Sequence[str]) -> list[str]:
        """Return what is said in each window of at most 30 s, in the language given for it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementAnnotator:
    """Compare the text of each window with what a model writes, by characters: words are no measure for every script.

    The model is asked in the language of the text. Documents in languages it does not know are not measured, nor is
    English under another declared language: a translation is in other words than the model's.
    """

    transcriber: Transcriber

    NAME: ClassVar[str] = "agreement"
    VERSION: ClassVar[int] = 2
    SCHEMA: ClassVar[pa.Schema] = schema.AGREEMENT
    NEEDS_AUDIO: ClassVar[bool] = True

    def measure(self, segments: pa.Table, samples: Samples) -> pa.Table:
        """Measure the windows with text of one recording, all of them asked at once."""
        rows = segments.select(["segment_id", "start_ms", "end_ms", "text", "declared_lang"]).to_pylist()
        asked = [row for row in rows if row["text"]]
        lang = _language("\n".join(row["text"] for row in asked), rows[0]["declared_lang"]) if asked else None
        if lang is None or not self.transcriber.knows(lang):
            asked = []
        windows = [_window(samples, row["start_ms"], row["end_ms"]) for row in asked]
        heard = self.transcriber.texts(windows, [lang or ""] * len(windows))
        found = {row["segment_id"]: said for row, said in zip(asked, heard, strict=True)}
        whole = margin(" ".join(row["text"] for row in asked), " ".join(heard))
        measured = [
            {
                "segment_id": row["segment_id"],
                "heard_text": (said := found.get(row["segment_id"])),
                "error_rate": None if said is None else error_rate(row["text"], said),
                "margin": None if said is None else margin(row["text"], said),
                "document_margin": whole,
            }
            for row in rows
        ]
        return tables.from_rows(measured, self.SCHEMA)


def error_rate(written: str, heard: str) -> float | None:
    """Return the character error rate of what is heard, by what is written; None where nothing is written.

    Case, marks and accents are no errors: many captions are written without.
    """
    reference = _letters(written)
    return float(jiwer.cer(reference, _letters(heard))) if reference else None


def margin(written: str, heard: str) -> float | None:
    """Return the share by which what is heard is nearer to what is written than to that backwards, from about 0 to 1.

    None where too little is written to tell: "twenty" is heard as 20.
    """
    backwards = _letters(written)[::-1]
    error, chance = error_rate(written, heard), error_rate(backwards, heard)
    return 1 - error / chance if error is not None and chance and len(backwards.encode()) >= MIN_BYTES else None


def _letters(written: str) -> str:
    return _ACCENTS.sub("", unicodedata.normalize("NFD", text.normalise_for_match(written)))


def _language(written: str, declared: str | None) -> str | None:
    """Return the language to ask in; None for what may be a translation.

    Another than the declared one where both detectors are sure of it.
    """
    guess = detect(written, declared)
    is_other = guess is not None and guess.lang != declared and guess.confidence >= SURE
    if guess is None or not is_other or second_opinion(written) != guess.lang:
        return declared
    return None if declared is not None and guess.lang == TRANSLATED else guess.lang


def _window(samples: Samples, start_ms: int, end_ms: int) -> Samples:
    return samples[start_ms * SAMPLES_PER_MS : min(end_ms, start_ms + WINDOW_MS) * SAMPLES_PER_MS]
