"""SubViewer as YouTube writes it: '0:00:01.000,0:00:02.500', then text until a blank line."""

from __future__ import annotations

import re

from pipeline.segment.clock import read_clock
from pipeline.segment.cue import Draft, Reading, between
from pipeline.segment.formats.arrow import LINE_END
from pipeline.segment.markup import plain

_STAMP = r"\d{1,4}:\d{1,2}:\d{1,2}\.\d{1,3}"
_TIMING = re.compile(rf"({_STAMP}),({_STAMP})")


def read(text: str) -> Reading | None:
    """Read cues; None without a timing line."""
    drafts: list[Draft] = []
    payload: list[str] = []
    timing: re.Match[str] | None = None
    for line in [*LINE_END.split(text), ""]:
        following = _TIMING.fullmatch(line.strip())
        if timing and (following or not line.strip()):
            drafts.append(_draft(timing, payload))
            timing = None
        if following:
            timing, payload = following, []
        elif timing:
            payload.append(line)
    return Reading(drafts=tuple(drafts)) if drafts else None


def _draft(timing: re.Match[str], payload: list[str]) -> Draft:
    text = plain("\n".join(payload).replace("[br]", "\n"))
    return between(read_clock(timing[1]), read_clock(timing[2]), text)
