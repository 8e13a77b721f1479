"""SubRip: numbered cues; also what is left of WebVTT without its header."""

from __future__ import annotations

from itertools import pairwise

from pipeline.segment.cue import Draft, Reading
from pipeline.segment.formats import arrow
from pipeline.segment.markup import INLINE_STAMP, plain


def read(text: str) -> Reading | None:
    """Read cues; None without a line that is, or means to be, 'start --> end'."""
    if "->" not in text:
        return None
    lines = arrow.LINE_END.split(text)
    timings = arrow.timing_lines(lines)
    if not timings:
        attempts = arrow.attempts(lines)
        return Reading(drafts=attempts) if attempts else None
    drafts: list[Draft] = []
    for index, following in pairwise([*timings, len(lines)]):
        payload = lines[index + 1 : following]
        if following < len(lines) and payload and payload[-1].strip().isdigit():
            payload = payload[:-1]  # the next cue's number
        drafts.append(arrow.draft(timings[index], plain("\n".join(payload))))
    return Reading(drafts=tuple(drafts), has_inline_timing=bool(INLINE_STAMP.search(text)))
