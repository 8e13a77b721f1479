"""Lyrics (LRC): '[01:02.50]line', several stamps for a repeated line, '<01:02.80>' before a word."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.segment.clock import read_clock
from pipeline.segment.cue import Draft, Reading
from pipeline.segment.formats.arrow import LINE_END
from pipeline.segment.markup import INLINE_STAMP, plain

_STAMPS = re.compile(r"((?:\[\d{1,4}:\d{1,2}[.:]\d{1,3}\]\s*)+)(.*)")
_STAMP = re.compile(r"\[(\d+:\d+)[.:](\d+)\]")
_TAG = re.compile(r"\[(ar|al|ti|au|by|re|ve|la|length|offset|tool):([^\]]*)\]", re.IGNORECASE)


def read(text: str) -> Reading | None:
    """Read lines that start with stamps; None where most lines with text do not."""
    lines = [line.strip() for line in LINE_END.split(text.lstrip("\ufeff")) if line.strip()]
    tags = [match for line in lines if (match := _TAG.fullmatch(line))]
    stamped = [match for line in lines if (match := _STAMPS.fullmatch(line))]
    if not stamped or 2 * (len(stamped) + len(tags)) < len(lines):
        return None
    if not tags and not any("." in match[1] for match in stamped):
        return None  # [00:01:30] is hours, minutes and seconds of a plain transcript
    values = {match[1].lower(): match[2].strip() for match in tags}
    offset = values.get("offset", "0")
    shift_ms = int(offset) if re.fullmatch(r"[+-]?\d{1,7}", offset) else 0
    drafts = sorted(
        (draft for match in stamped for draft in _drafts(match, shift_ms)), key=lambda draft: draft.start_ms or 0
    )
    return Reading(
        drafts=tuple(drafts),
        notes=tuple(match[0] for match in tags),
        lang=values.get("la"),
        has_inline_timing=bool(INLINE_STAMP.search(text)),
    )


def _drafts(match: re.Match[str], shift_ms: int) -> Iterator[Draft]:
    for clock, fraction in _STAMP.findall(match[1]):
        start_ms = read_clock(f"{clock}.{fraction}")
        # A positive offset shows the lines sooner.
        moved_ms = None if start_ms is None else max(0, start_ms - shift_ms)
        yield Draft(start_ms=moved_ms, end_ms=None, text=plain(match[2]))
