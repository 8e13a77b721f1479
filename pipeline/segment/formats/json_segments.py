"""JSON transcripts: the podcast namespace's {"segments": [{"startTime", "body"}]}, and Whisper's {"start", "text"}."""

from __future__ import annotations

from typing import Any

from pipeline.segment.cue import Draft, Reading, Unreadable, between
from pipeline.segment.formats import json_text
from pipeline.segment.formats.json_text import seconds_ms
from pipeline.segment.markup import plain

# What a recogniser writes beside its words (openai-whisper, faster-whisper).
_AUTO_KEYS = ("avg_logprob", "no_speech_prob", "compression_ratio")
_NOTE_KEYS = ("generator", "tool", "model", "source", "transcriber", "provider", "author", "title")


def read(text: str) -> Reading | None:
    """Read segments; None for what is no JSON, Unreadable for JSON that is no transcript."""
    if not json_text.looks_like_json(text):
        return None
    value = json_text.parse(text)
    record: dict[str, Any] = value if isinstance(value, dict) else {"segments": value}
    segments = record.get("segments")
    rows: list[dict[str, Any]] = (
        [row for row in segments if isinstance(row, dict)] if isinstance(segments, list) else []
    )
    drafts = tuple(_draft(row) for row in rows)
    if not any(draft.text for draft in drafts):
        raise Unreadable("not_captions", f"JSON that is no transcript: its keys are {sorted(map(str, record))[:8]}")
    lang = record.get("language")
    return Reading(
        drafts=drafts,
        notes=tuple(f"{key}: {record[key]}" for key in _NOTE_KEYS if isinstance(record.get(key), str)),
        lang=lang if isinstance(lang, str) else None,
        auto_mark=next((key for row in rows for key in _AUTO_KEYS if key in row), None),
        has_inline_timing=any("words" in row for row in rows),
        is_pieces=True,
    )


def _draft(row: dict[str, Any]) -> Draft:
    body, speaker = row.get("body", row.get("text")), row.get("speaker")
    start_ms = seconds_ms(row.get("startTime", row.get("start")))
    end_ms = seconds_ms(row.get("endTime", row.get("end")))
    text = plain(body) if isinstance(body, str) else ""
    name = speaker.strip() or None if isinstance(speaker, str) else None
    if end_ms is None:
        return Draft(start_ms=start_ms, end_ms=None, text=text, speaker=name)
    return between(start_ms, end_ms, text, name)
