"""WebVTT, with the dialects of YouTube (word times, rolling lines) and Microsoft Stream (confidence notes)."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from itertools import pairwise

from pipeline.segment.cue import Draft, Reading
from pipeline.segment.formats import arrow
from pipeline.segment.markup import INLINE_STAMP, plain

DEBRIS = "\ufeffï»¿ \t\r\n"  # a second BOM, or one read as Windows-1252, before the first line
_VOICE = re.compile(r"<v(?:\.[\w.-]*)?[ \t]+([^<>]{1,100})>", re.IGNORECASE)
_LANGUAGE = re.compile(r"Language:\s*([\w-]{1,35})", re.IGNORECASE)
_KIND = re.compile(r"Kind:\s*captions", re.IGNORECASE)
_CONFIDENCE = re.compile(r"NOTE\s+Confidence:\s*[\d.]+", re.IGNORECASE)


def read(text: str) -> Reading | None:
    """Read cues, header and notes; None without the header WEBVTT."""
    body = text.lstrip(DEBRIS)
    if not body.startswith("WEBVTT"):
        return None
    lines = arrow.LINE_END.split(body)
    timings = arrow.timing_lines(lines)
    drafts = [
        _draft(timings[index], lines[index + 1 : following]) for index, following in pairwise([*timings, len(lines)])
    ]
    notes = _notes(lines, timings)
    stamped = INLINE_STAMP.search(body)
    kind = next((line for line in notes if _KIND.match(line)), None)
    language = next((match[1] for line in notes if (match := _LANGUAGE.match(line))), None)
    confidence = next((line for line in notes if _CONFIDENCE.match(line)), None)
    return Reading(
        drafts=tuple(drafts) or arrow.attempts(lines),
        notes=tuple(notes),
        lang=language,
        auto_mark=confidence or (f"{kind}, {stamped[0]}" if kind and stamped else None),
        has_inline_timing=bool(stamped),
    )


def _draft(timing: re.Match[str], payload: Sequence[str]) -> Draft:
    """Read a cue; its text ends at a blank line, though YouTube's begins with one that holds a space."""
    first = next((number for number, line in enumerate(payload) if line.strip()), len(payload))
    if "" in payload[:first]:
        return arrow.draft(timing, "")
    last = next((number for number in range(first, len(payload)) if not payload[number].strip()), len(payload))
    text = "\n".join(payload[first:last])
    voice = _VOICE.search(text) if "<v" in text.lower() else None
    return arrow.draft(timing, plain(text), voice[1].strip() if voice else None)


def _notes(lines: Sequence[str], timings: Container[int]) -> list[str]:
    """Return the header's lines and those of NOTE blocks."""
    found: list[str] = []
    is_inside = True
    for number, line in enumerate(lines):
        is_inside = number not in timings and bool(line.strip()) and (is_inside or line.startswith("NOTE"))
        if is_inside:
            found.append(line.strip())
    return found
