"""SubStation Alpha (SSA, ASS): the Dialogue lines of [Events].

The grammar is our own: pysubs2 1.8.1 finds no format in a file without styles, reads no text under a Format line of
three fields, and keeps cues at 9:99:99 (measured 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.segment.clock import read_clock
from pipeline.segment.cue import Draft, Reading, between
from pipeline.segment.formats.arrow import LINE_END
from pipeline.segment.markup import plain

_SIGN = re.compile(
    r"^[ \t]*(?:\[Script Info\]|\[V4\+? Styles\]|Dialogue:\s*[^,\n]*,\s*\d+:\d+:\d+)", re.MULTILINE | re.I
)
_FIELDS = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
_KARAOKE = re.compile(r"\\[kK][fot]?\d")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?=\{[^{}]*\\p0|$)", re.DOTALL)


def read(text: str) -> Reading | None:
    """Read dialogue; None without a section or line of SubStation."""
    if not _SIGN.search(text):
        return None
    fields: Sequence[str] = _FIELDS
    drafts: list[Draft] = []
    notes: list[str] = []
    section = ""
    for line in LINE_END.split(text):
        key, _, value = line.strip().partition(":")
        if line.strip().startswith("["):
            section = line.strip().lower()
        elif section == "[events]" and key.lower() == "format":
            fields = [name.strip().lower() for name in value.split(",")]
        elif key.lower() == "dialogue":
            drafts.append(_draft(value, fields))
        elif section == "[script info]" and line.strip():
            notes.append(line.strip(" ;\t"))
    return Reading(drafts=tuple(drafts), notes=tuple(notes), has_inline_timing=bool(_KARAOKE.search(text)))


def _draft(value: str, fields: Sequence[str]) -> Draft:
    row = dict(zip(fields, value.split(",", len(fields) - 1), strict=False))
    spoken = _DRAWING.sub("", row.get("text", "")).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    start_ms, end_ms = read_clock(row.get("start", "")), read_clock(row.get("end", ""))
    return between(start_ms, end_ms, plain(spoken), row.get("name", "").strip() or None)
