"""How far a transcript is from what a model hears: the one measure that finds text of other speech, well timed.

Any model will do, a first one of one's own too: its errors are the same for all, and windows are compared within their
language (`peers.agreement_quantile`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import jiwer
import pyarrow as pa

from pipeline import schema, tables, text
from pipeline.annotate.spoken import WINDOW_MS, Identified
from pipeline.audio import SAMPLES_PER_MS, Samples


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

    The model is asked in the declared language; windows in languages it does not know, or of none, are not measured.
    """

    transcriber: Transcriber

    NAME: ClassVar[str] = "agreement"
    VERSION: ClassVar[int] = 1
    SCHEMA: ClassVar[pa.Schema] = schema.AGREEMENT
    NEEDS_AUDIO: ClassVar[bool] = True

    def measure(self, segments: pa.Table, samples: Samples) -> pa.Table:
        """Measure the windows with text of one recording, all of them asked at once."""
        rows = segments.select(["segment_id", "start_ms", "end_ms", "text", "declared_lang"]).to_pylist()
        asked = [
            row for row in rows if row["text"] and row["declared_lang"] and self.transcriber.knows(row["declared_lang"])
        ]
        windows = [_window(samples, row["start_ms"], row["end_ms"]) for row in asked]
        heard = self.transcriber.texts(windows, [row["declared_lang"] for row in asked])
        found = {
            row["segment_id"]: (said, error_rate(row["text"], said)) for row, said in zip(asked, heard, strict=True)
        }
        whole = _document([row["text"] for row in asked], heard)
        nothing: tuple[Any, Any] = (None, None)
        measured = [
            {
                "segment_id": row["segment_id"],
                "heard_text": found.get(row["segment_id"], nothing)[0],
                "error_rate": found.get(row["segment_id"], nothing)[1],
                "document_error_rate": whole,
            }
            for row in rows
        ]
        return tables.from_rows(measured, self.SCHEMA)


def error_rate(written: str, heard: str) -> float | None:
    """Return the character error rate of what is heard, by what is written; None where nothing is written."""
    reference, said = text.normalise_for_match(written), text.normalise_for_match(heard)
    return float(jiwer.cer(reference, said)) if reference else None


def _document(written: Sequence[str], heard: Sequence[str]) -> float | None:
    return error_rate(" ".join(written), " ".join(heard)) if written else None


def _window(samples: Samples, start_ms: int, end_ms: int) -> Samples:
    return samples[start_ms * SAMPLES_PER_MS : min(end_ms, start_ms + WINDOW_MS) * SAMPLES_PER_MS]
