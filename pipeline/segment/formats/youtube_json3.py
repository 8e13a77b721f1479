"""YouTube's json3: events with segments; a recogniser's have word offsets and a confidence (acAsrConf)."""

from __future__ import annotations

from typing import Any

from pipeline.segment.cue import Draft, Reading
from pipeline.segment.formats import json_text
from pipeline.segment.markup import plain
from pipeline.segment.rolling import without_overlap


def read(text: str) -> Reading | None:
    """Read events; None for JSON without them."""
    if '"events"' not in text or not json_text.looks_like_json(text):
        return None
    value = json_text.parse(text)
    events = value.get("events") if isinstance(value, dict) else None
    if not isinstance(events, list):
        return None
    rows = [event for event in events if isinstance(event, dict) and isinstance(event.get("segs"), list)]
    words = [word for event in rows for word in event["segs"] if isinstance(word, dict)]
    drafts = tuple(_draft(event) for event in rows)
    is_worded = any(word.get("tOffsetMs") for word in words)
    return Reading(
        drafts=without_overlap(drafts) if is_worded else drafts,
        auto_mark="acAsrConf" if any("acAsrConf" in word for word in words) else None,
        has_inline_timing=is_worded,
    )


def _draft(event: dict[str, Any]) -> Draft:
    parts = [word.get("utf8") for word in event["segs"] if isinstance(word, dict)]
    start_ms, length_ms = _milliseconds(event.get("tStartMs")), _milliseconds(event.get("dDurationMs"))
    return Draft(
        start_ms=start_ms,
        end_ms=None if start_ms is None or length_ms is None else start_ms + length_ms,
        text=plain("".join(part for part in parts if isinstance(part, str))),
    )


def _milliseconds(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**10 else None
