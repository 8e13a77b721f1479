"""Which tasks a window can serve, from the language spoken, the language written and whether there is speech.

Whisper section 2.1: text in the spoken language is transcription; English text on other speech is translation; any
other pair is a mismatch. Windows without speech train the no-speech token. The spoken language is the one that is
heard, where a model heard another than the declared one and was sure of it; else the declared one; else the text's.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOptions:
    """How little speech makes a window without text a no-speech sample, and how sure a heard language must be.

    A heard language beats the declared one from `min_audio_probability` on, if the declared one has
    `max_claimed_probability` at most.
    """

    max_no_speech_ratio: float
    min_audio_probability: float
    max_claimed_probability: float


def route(windows: pa.Table, options: RouteOptions) -> Route:
    """Route windows with columns text, declared_lang, lang (of the text), speech_ratio and what was heard.

    What was heard: audio_lang, audio_probability, claimed_probability, all null where nothing listened.
    """
    has_text = pc.greater(pc.fill_null(pc.utf8_length(windows["text"]), 0), 0)
    text_lang = pc.if_else(has_text, windows["lang"], pa.scalar(None, pa.string()))
    spoken = pc.coalesce(_heard(windows, options), windows["declared_lang"], text_lang)
    same = pc.fill_null(pc.equal(spoken, text_lang), False)
    to_english = pc.fill_null(pc.equal(text_lang, TRANSLATE_TO), False)
    is_silent = pc.fill_null(pc.less_equal(windows["speech_ratio"], options.max_no_speech_ratio), False)
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


def tasks_of(kind: pa.ChunkedArray) -> pa.Array:
    """List the tasks of each kind; none for null."""
    names = [name for name in TASKS if name is not None]
    lists = pa.array([*(TASKS[name] for name in names), []], pa.list_(pa.string()))
    return lists.take(pc.fill_null(pc.index_in(kind, pa.array(names)), len(names)).combine_chunks())


def _heard(windows: pa.Table, options: RouteOptions) -> pa.ChunkedArray:
    """Return the language heard where it is sure to be another than the claimed one, null elsewhere."""
    is_sure = pc.and_(
        pc.greater_equal(windows["audio_probability"], options.min_audio_probability),
        pc.less_equal(windows["claimed_probability"], options.max_claimed_probability),
    )
    return pc.if_else(pc.fill_null(is_sure, False), windows["audio_lang"], pa.scalar(None, pa.string()))
