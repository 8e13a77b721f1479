"""The timing line that SRT and WebVTT share: 'start --> end'.

The grammar is our own because the line must be found exactly: pysubs2 1.8.1 takes any line with two stamps for one,
so a WebVTT line with two inline stamps starts a cue, and it keeps cues at 99:99:99 (measured 2026-11).
"""

from __future__ import annotations

import re

from pipeline.segment.clock import CLOCK, clock_ms
from pipeline.segment.cue import Draft, between

LINE_END = re.compile(r"\r\n|\r|\n")
TIMING = re.compile(rf"\s*(-?){CLOCK}\s*-{{1,3}}>\s*(-?){CLOCK}(?!\S)")
_ATTEMPT = re.compile(r"[ \t]*-?\d+[:.,].*-->")


def timing_lines(lines: list[str]) -> dict[int, re.Match[str]]:
    """Return the lines that are 'start --> end', by their numbers."""
    found = {index: TIMING.match(line) for index, line in enumerate(lines) if "->" in line}
    return {index: match for index, match in found.items() if match}


def draft(timing: re.Match[str], text: str, speaker: str | None = None) -> Draft:
    """Read a timing line."""
    parts = timing.groups()
    return between(_signed(*parts[:5]), _signed(*parts[5:]), text, speaker)


def attempts(lines: list[str]) -> tuple[Draft, ...]:
    """Return a cue without time for each line that means to be a timing line and is none."""
    found = [line for line in lines if "-->" in line and _ATTEMPT.match(line)]
    return tuple(Draft(start_ms=None, end_ms=None, text=line) for line in found)


def _signed(sign: str, hours: str | None, minutes: str, seconds: str, fraction: str | None) -> int | None:
    value = clock_ms(hours, minutes, seconds, fraction)
    return -value if sign and value is not None else value
