"""Transcripts as plain text: with stamps where lines start or headers end, or without any times.

Otter writes 'Tom  0:12', Rev 'Tom: (00:12)', Descript '[00:00:12] Tom: …', whisper's console
'[00:12.000 --> 00:15.500] …'.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.segment.clock import read_clock
from pipeline.segment.cue import Draft, Reading, Unreadable, between
from pipeline.segment.formats.arrow import LINE_END
from pipeline.segment.markup import plain

_MIN_LETTERS = 12  # one utterance, in Chinese too
_MAX_ERROR_LETTERS = 200  # what is longer and speaks of errors is a transcript
_MIN_LETTER_SHARE = 0.5  # of what is no white space; tables, logs and encoded bytes have fewer
_MIN_STAMPS = 2
_MIN_CHARS_PER_S = 1.5  # a list of chapters has far fewer (slow Chinese speech: 3)
_STAMP = r"(?:\d{1,3}:)?\d{1,3}:\d{2}(?:[.,]\d{1,3})?"
_LEAD = re.compile(rf"[\[(]?({_STAMP})(?:\s*(-->|[-–—])\s*({_STAMP}))?[\])]?(?!\S)\s*[-–—|:]?\s*(.*)")
_TRAIL = re.compile(rf"(\S.{{0,59}}?)\s*[:,|–—-]?\s*[\[(]?({_STAMP})[\])]?\s*:?")
_MIDDLE = re.compile(rf"([^\[\](:]{{1,60}}):?\s*[\[(]({_STAMP})[\])]:?\s+(.*)")
_ERROR = re.compile(
    r"^\W*[45]\d\d\b|\b(?:(?:error|status|http)\W{0,3}[45]\d\d|not found|forbidden|access denied|unauthori[sz]ed|"
    r"internal server error|bad gateway|service unavailable|just a moment|log ?in|sign in|enable javascript)\b",
    re.IGNORECASE,
)


def read(text: str) -> Reading:
    """Read a transcript; Unreadable says why a text is none."""
    return read_lines([line.strip() for line in LINE_END.split(plain(text))])


def read_lines(lines: Sequence[str], min_letters: int = _MIN_LETTERS) -> Reading:
    """Read lines of text: timed where stamps recur, else as text without times, of so many letters at least."""
    drafts, arrow = _timed(lines)
    if len(drafts) >= _MIN_STAMPS:
        if _chars_per_s(drafts) < _MIN_CHARS_PER_S:
            raise Unreadable("not_captions", f"a list of times with little text: {lines[0][:60]!r}")
        return Reading(drafts=drafts, auto_mark=arrow)
    spoken = "\n".join(line for line in lines if line)
    num_letters = sum(char.isalpha() for char in spoken)
    if num_letters < _MAX_ERROR_LETTERS and _ERROR.search(spoken):
        raise Unreadable("not_captions", f"an error message: {spoken[:60]!r}")
    if num_letters < min_letters:
        raise Unreadable("not_captions", f"too little text for a transcript: {spoken[:60]!r}")
    if num_letters < _MIN_LETTER_SHARE * len("".join(spoken.split())):
        raise Unreadable("not_captions", f"text that is mostly no words: {spoken[:60]!r}")
    return Reading(text=spoken)


def is_error_title(title: str) -> bool:
    """Tell whether a page's title is that of an error or a login page."""
    return bool(_ERROR.search(title))


def _timed(lines: Sequence[str]) -> tuple[tuple[Draft, ...], str | None]:
    """Return the cues, and the first line with an arrow in brackets, which only a recogniser's console prints."""
    found: list[tuple[str, str | None, str | None, list[str]]] = []
    arrow: str | None = None
    for line in lines:
        start, end, speaker, rest = _stamped(line)
        if start is not None:
            found.append((start, end, speaker, [rest]))
            arrow = arrow or (line[:60] if line.startswith("[") and "-->" in line else None)
        elif found and line:
            found[-1][3].append(line)
    return tuple(_draft(*parts) for parts in found), arrow


def _draft(start: str, end: str | None, speaker: str | None, lines: Sequence[str]) -> Draft:
    text = "\n".join(filter(None, lines))
    if end is None:
        return Draft(start_ms=read_clock(start), end_ms=None, text=text, speaker=speaker)
    return between(read_clock(start), read_clock(end), text, speaker)


def _stamped(line: str) -> tuple[str | None, str | None, str | None, str]:
    """Return a line's start, end, speaker and text; a line without a stamp has no start."""
    if match := _LEAD.fullmatch(line):
        return match[1], match[3], None, match[4]
    if match := _MIDDLE.fullmatch(line):
        return match[2], None, match[1].strip(), match[3]
    if match := _TRAIL.fullmatch(line):
        return match[2], None, match[1].strip(" :,-|"), ""
    return None, None, None, line


def _chars_per_s(drafts: Sequence[Draft]) -> float:
    starts_ms = [draft.start_ms for draft in drafts if draft.start_ms is not None]
    num_chars = sum(len(draft.text) for draft in drafts[:-1])
    span_ms = max(starts_ms, default=0) - min(starts_ms, default=0)
    return num_chars * 1000 / span_ms if span_ms else float(num_chars)
