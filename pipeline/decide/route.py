"""Which tasks a window can serve, from the language spoken, the language written and whether there is speech.

Whisper section 2.1: text in the spoken language is transcription; English text on other speech is translation; any
other pair is a mismatch. Windows without speech train the no-speech token.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

TRANSLATE_TO = "en"
NO_LANGUAGE = "und"
MISMATCH, UNKNOWN_LANGUAGE, NO_TEXT, UNMEASURED_SPEECH = (
    "language_mismatch",
    "unknown_language",
    "speech_without_text",
    "unmeasured:speech_ratio",
)
TASKS = {
    "transcribe": ["transcribe", "detect_language"],
    "translate": ["translate"],
    "no_speech": ["no_speech"],
    None: [],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """For each window: its kind (null when none fits), why none fits (null otherwise), and its languages."""

    kind: pa.ChunkedArray
    reason: pa.ChunkedArray
    lang: pa.ChunkedArray
    text_lang: pa.ChunkedArray


def route(windows: pa.Table, max_no_speech_ratio: float) -> Route:
    """Route windows with columns text, declared_lang, lang (of the text) and speech_ratio."""
    has_text = pc.greater(pc.fill_null(pc.utf8_length(windows["text"]), 0), 0)
    text_lang = pc.if_else(has_text, windows["lang"], pa.scalar(None, pa.string()))
    spoken = pc.coalesce(windows["declared_lang"], text_lang)
    same = pc.fill_null(pc.equal(spoken, text_lang), False)
    to_english = pc.fill_null(pc.equal(text_lang, TRANSLATE_TO), False)
    is_silent = pc.fill_null(pc.less_equal(windows["speech_ratio"], max_no_speech_ratio), False)
    kind = pc.case_when(
        pc.make_struct(pc.and_(has_text, same), pc.and_(has_text, to_english), pc.and_(pc.invert(has_text), is_silent)),
        pa.scalar("transcribe"),
        pa.scalar("translate"),
        pa.scalar("no_speech"),
    )
    reason = pc.case_when(
        pc.make_struct(
            pc.is_valid(kind),
            pc.and_(has_text, pc.is_null(text_lang)),
            has_text,
            pc.is_null(windows["speech_ratio"]),
        ),
        pa.scalar(None, pa.string()),
        pa.scalar(UNKNOWN_LANGUAGE),
        pa.scalar(MISMATCH),
        pa.scalar(UNMEASURED_SPEECH),
        pa.scalar(NO_TEXT),
    )
    lang = pc.if_else(has_text, pc.coalesce(spoken, pa.scalar(NO_LANGUAGE)), pa.scalar(NO_LANGUAGE))
    return Route(kind=kind, reason=reason, lang=lang, text_lang=text_lang)
