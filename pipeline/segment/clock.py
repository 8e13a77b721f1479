"""Read the stamps of captions: clocks with or without hours, fractions after a point or a comma."""

from __future__ import annotations

import re

CLOCK = r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2})(?:[.,](\d{1,9}))?"
_CLOCK = re.compile(CLOCK)


def clock_ms(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> int | None:
    """Return a stamp in ms, None where no clock shows it; without hours, minutes may pass 59."""
    if int(seconds) > 59 or (hours and int(minutes) > 59):
        return None
    whole_s = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return whole_s * 1000 + int((fraction or "0").ljust(3, "0")[:3])


def read_clock(text: str) -> int | None:
    """Return the ms of a text that is one stamp and nothing else; None otherwise."""
    match = _CLOCK.fullmatch(text.strip())
    return clock_ms(*match.groups()) if match else None
