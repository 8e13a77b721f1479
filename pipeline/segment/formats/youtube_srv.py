"""YouTube's XML: srv3 (<timedtext><p t d>), srv2 (<timedtext><text t d>) and srv1 (<transcript><text start dur>)."""

from __future__ import annotations

import re

from pipeline.segment.cue import Draft, Reading
from pipeline.segment.formats import xml
from pipeline.segment.formats.xml import Element
from pipeline.segment.markup import plain
from pipeline.segment.rolling import without_overlap

_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?")


def read(text: str) -> Reading | None:
    """Read cues; None unless the root is one of YouTube's. Unreadable for XML that is not well formed or not safe."""
    name = xml.root_name(text)
    if name not in ("timedtext", "transcript"):
        return None
    root = xml.parse(text)
    lines = [item for item in root.iter() if xml.local(item) in ("p", "text")]
    if name == "transcript":
        return Reading(drafts=tuple(_draft(line, ("start", "dur"), 1000) for line in lines), lang=root.get("lang"))
    drafts = tuple(_draft(line, ("t", "d"), 1) for line in lines)
    words = [word for word in root.iter() if xml.local(word) == "s"]
    confidence = next((f'<s ac="{word.get("ac")}">' for word in words if word.get("ac") is not None), None)
    is_worded = any(word.get("t") for word in words)
    return Reading(
        drafts=without_overlap(drafts) if is_worded else drafts,
        auto_mark=confidence,
        has_inline_timing=is_worded,
    )


def _draft(line: Element, names: tuple[str, str], scale: int) -> Draft:
    start, length = (_milliseconds(line.get(name), scale) for name in names)
    # srv1 escapes twice: &amp;#39; is an apostrophe.
    text = plain(plain("".join(line.itertext())))
    return Draft(start_ms=start, end_ms=None if start is None or length is None else start + length, text=text)


def _milliseconds(value: str | None, scale: int) -> int | None:
    return round(float(value) * scale) if value and _NUMBER.fullmatch(value) else None
