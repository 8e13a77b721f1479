"""Read captions of any origin: SRT and WebVTT, found by content, with the damage they have on the web.

The grammar is our own because the timing line must be found exactly: pysubs2 1.8.1 takes any line with two
stamps for one, so a WebVTT line with two inline stamps starts a cue, and it keeps cues at 99:99:99 (measured
2026-11).
Other formats (ASS, TTML, SBV, plain text) are 'not_captions'.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_MAX_DAMAGE = 0.1  # share of non-ASCII characters that may be broken in text we still call UTF-8

_DEBRIS = "\ufeffï»¿ \t\r\n"  # a second BOM, or one read as Windows-1252, before the first line
_LINE_END = re.compile(r"\r\n|\r|\n")
_STAMP = r"(-?)(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2})(?:[.,](\d{1,9}))?"
_TIMING = re.compile(rf"\s*{_STAMP}\s*-{{1,3}}>\s*{_STAMP}(?!\S)")
_TIMING_ATTEMPT = re.compile(r"^[ \t]*-?\d+[:.,].*-->", re.MULTILINE)
_HTML = re.compile(r"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)

_SPACES = re.compile(r"[ \t\n]+")

# Elements whose content nobody says: scripts, style sheets, ruby readings (they repeat the base text).
_SILENT = re.compile(r"<(script|style|rt)\b[^<>]*>(?:(?!</\1|</ruby).)*", re.IGNORECASE | re.DOTALL)
# Tags (<i>, <v Name>, <c.yellow>), inline stamps (<00:00:06.000>) and SubStation overrides ({\an8}).
_MARKUP = re.compile(r"</?[a-z][^<>]*>|<\d+:[\d:.]+>|\{\\[^{}]*\}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """A caption's text and the time it is shown; 0 <= start_ms <= end_ms."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What a caption file holds. `status` is ok, empty, unparsable or not_captions; cues only when ok.

    `num_lost` counts cues with text whose times are impossible: 99:99:99, an end before its start or zero.
    """

    status: str
    format: str | None = None
    cues: tuple[Cue, ...] = ()
    num_lost: int = 0
    detail: str | None = None


def parse(data: bytes) -> Caption:
    """Read a caption file; cues come sorted by start and may overlap. Never raises."""
    text = _decode(data)
    if not text.strip():
        return Caption(status="empty", detail="no text")
    if "\0" in text or _HTML.match(text.lstrip(_DEBRIS)):
        kind = "binary data" if "\0" in text else "an HTML page"
        return Caption(status="not_captions", detail=f"{kind}: {text.strip()[:60]!r}")
    is_vtt = text.lstrip(_DEBRIS).startswith("WEBVTT")
    lines = _LINE_END.split(text)
    timings = [index for index, line in enumerate(lines) if _TIMING.match(line)]
    if timings:
        return _read_cues(lines, timings, "webvtt" if is_vtt else "srt")
    if _TIMING_ATTEMPT.search(text):
        return Caption(status="unparsable", detail="no line reads as 'start --> end'")
    if is_vtt:
        return Caption(status="empty", format="webvtt", detail="no cues")
    return Caption(status="not_captions", detail=f"neither SRT nor WebVTT: {text.strip()[:60]!r}")


def _decode(data: bytes) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :].decode(encoding, errors="replace")
    text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    if broken and broken > _MAX_DAMAGE * sum(not char.isascii() for char in text):
        return data.decode("cp1252", errors="replace")
    return text


def _read_cues(lines: list[str], timings: list[int], format_name: str) -> Caption:
    cues: list[Cue] = []
    num_lost = 0
    for line, payload in _payloads(lines, timings, format_name):
        text = _plain(payload)
        span = _span(line)
        if text and span:
            cues.append(Cue(start_ms=span[0], end_ms=span[1], text=text))
        num_lost += bool(text and not span)
    if not cues:
        status = "unparsable" if num_lost else "empty"
        detail = f"{num_lost} cues, none with possible times" if num_lost else "no cue has text"
        return Caption(status=status, format=format_name, num_lost=num_lost, detail=detail)
    cues.sort(key=lambda cue: (cue.start_ms, cue.end_ms))
    detail = f"{num_lost} cues have impossible times" if num_lost else None
    return Caption(status="ok", format=format_name, cues=tuple(cues), num_lost=num_lost, detail=detail)


def _payloads(lines: list[str], timings: list[int], format_name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each timing line with its text: WebVTT's ends at a blank line, SRT's at the next cue's number."""
    for index, following in zip(timings, [*timings[1:], len(lines)], strict=True):
        payload = lines[index + 1 : following]
        if format_name == "webvtt":
            blank = next((number for number, line in enumerate(payload) if not line.strip()), len(payload))
            payload = payload[:blank]
        elif following < len(lines) and payload and payload[-1].strip().isdigit():
            payload = payload[:-1]
        yield lines[index], payload


def _plain(payload: list[str]) -> str:
    text = html.unescape(_MARKUP.sub("", _SILENT.sub("", "\n".join(payload))))
    # A no-break space stays: it may be a byte of text in the wrong encoding.
    return _SPACES.sub(" ", text).strip(" ") if text.strip() else ""


def _span(timing_line: str) -> tuple[int, int] | None:
    match = _TIMING.match(timing_line)
    assert match, "only timing lines come here"
    parts = match.groups()
    start_ms, end_ms = _milliseconds(*parts[:5]), _milliseconds(*parts[5:])
    if start_ms is None or end_ms is None or end_ms < max(start_ms, 0):
        return None
    return max(start_ms, 0), end_ms


def _milliseconds(sign: str, hours: str | None, minutes: str, seconds: str, fraction: str | None) -> int | None:
    """Return a stamp in ms, None where no clock shows it; without hours, minutes may pass 59."""
    if int(seconds) > 59 or (hours and int(minutes) > 59):
        return None
    whole_s = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return (-1 if sign else 1) * (whole_s * 1000 + int((fraction or "0").ljust(3, "0")[:3]))
