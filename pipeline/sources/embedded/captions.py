"""Write captions as WebVTT or SubRip text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FORMATS = ("vtt", "srt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One caption: when it is shown and what it says."""

    start_ms: int
    end_ms: int
    text: str


def write_captions(cues: Sequence[Cue], text_format: str) -> str:
    """Return the file's text in one of `FORMATS`; no cues give a header alone (vtt) or nothing (srt)."""
    if text_format == "vtt":
        blocks = ["WEBVTT\n", *(f"{_span(cue, '.')}\n{cue.text}\n" for cue in cues)]
    else:
        blocks = [f"{number}\n{_span(cue, ',')}\n{cue.text}\n" for number, cue in enumerate(cues, start=1)]
    return "\n".join(blocks)


def _span(cue: Cue, decimal: str) -> str:
    return f"{_clock(cue.start_ms, decimal)} --> {_clock(cue.end_ms, decimal)}"


def _clock(time_ms: int, decimal: str) -> str:
    seconds, ms = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{decimal}{ms:03}"
