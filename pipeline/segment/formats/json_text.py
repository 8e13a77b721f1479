"""Parse JSON that nobody vouches for, and read times out of it."""

from __future__ import annotations

import json
import math
from typing import Any

from pipeline.segment.clock import read_clock
from pipeline.segment.cue import Unreadable

_MAX_S = 10_000_000


def looks_like_json(text: str) -> bool:
    """Tell whether a text starts as a JSON object or an array of objects."""
    head = "".join(text[:200].split()).lstrip("\ufeff")
    return head.startswith(('{"', "{}", "[{", "[]"))


def parse(text: str) -> Any:
    """Return the value; Unreadable says why there is none."""
    try:
        return json.loads(text.lstrip("\ufeff"), parse_constant=_refuse)
    except RecursionError as error:
        raise Unreadable("unparsable", "JSON nested too deep") from error
    except ValueError as error:
        raise Unreadable("unparsable", f"JSON that does not parse: {error}") from error


def seconds_ms(value: Any) -> int | None:
    """Return the ms of a number of seconds, also as a string, or of a clock; None for anything else."""
    if isinstance(value, str):
        clock_ms = read_clock(value)
        if clock_ms is not None:
            return clock_ms
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return round(value * 1000) if math.isfinite(value) and 0 <= value <= _MAX_S else None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")
