"""TTML and its older name DFXP (W3C TTML2, section 12): nested times, clocks, frames, ticks, metadata.

Elements are known by their local names, since four generations of namespaces are in use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from pipeline.segment.cue import Draft, Reading, between
from pipeline.segment.formats import xml
from pipeline.segment.formats.xml import Element
from pipeline.segment.markup import plain

_CLOCK = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9})|:(\d{1,4})(?:\.(\d{1,4}))?)?")
_OFFSET = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(h|ms|m|s|f|t)")
_SECOND_US = 1_000_000
_UNIT_US = {"h": 3600 * _SECOND_US, "m": 60 * _SECOND_US, "s": _SECOND_US, "ms": 1000}
_CONTAINERS = {"body", "div"}
_SILENT = {"metadata", "set", "title", "desc", "copyright"}
_NOTED = {"title", "desc", "copyright", "tool", "generator", "author", "provider", "conversiontool"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    frame: Fraction
    tick: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """When an element is shown; `is_real` is false once a time in or above it cannot be read."""

    start_us: int
    end_us: int | None
    is_real: bool = True


def read(text: str) -> Reading | None:
    """Read cues; None unless the root is <tt>. Unreadable for XML that is not well formed or not safe."""
    if xml.root_name(text) != "tt":
        return None
    root = xml.parse(text)
    rates, speakers = _rates(root), _speakers(root)
    whole = _Span(start_us=0, end_us=None)
    drafts = tuple(draft for body in root if xml.local(body) == "body" for draft in _walk(body, whole, rates, speakers))
    has_words = any(xml.attribute(span, "begin") for span in root.iter() if xml.local(span) == "span")
    notes = [" ".join(item.itertext()).strip() for item in root.iter() if xml.local(item) in _NOTED]
    return Reading(
        drafts=drafts,
        notes=tuple(note for note in notes if note),
        lang=xml.attribute(root, "lang") or None,
        has_inline_timing=has_words,
        is_pieces=has_words,
    )


def _walk(element: Element, outer: _Span, rates: _Rates, speakers: Mapping[str, str]) -> Iterator[Draft]:
    span = _span(element, outer, rates)
    is_sequence = xml.attribute(element, "timeContainer") == "seq"
    reached = span
    for child in element:
        name, base = xml.local(child), reached if is_sequence else span
        shown = _span(child, base, rates)
        if name in _CONTAINERS:
            yield from _walk(child, base, rates, speakers)
        elif name == "p":
            yield from _paragraph(child, shown, rates, speakers)
        if is_sequence and shown.end_us is not None:
            reached = _Span(start_us=shown.end_us, end_us=span.end_us, is_real=span.is_real)


def _paragraph(element: Element, span: _Span, rates: _Rates, speakers: Mapping[str, str]) -> Iterator[Draft]:
    """Yield a paragraph as one cue, or its timed spans where it has no time of its own."""
    agent = xml.attribute(element, "agent") or ""
    speaker = speakers.get(agent, agent) or None
    timed = [child for child in element if xml.local(child) == "span" and xml.attribute(child, "begin")]
    if timed and not xml.attribute(element, "begin"):
        for child in timed:
            yield _draft(_span(child, span, rates), _text(child), speaker)
    else:
        yield _draft(span, _text(element), speaker)


def _draft(span: _Span, text: str, speaker: str | None) -> Draft:
    start_ms = round(span.start_us / 1000)
    end_ms = None if span.end_us is None else round(span.end_us / 1000)
    if end_ms is None and span.is_real:
        return Draft(start_ms=start_ms, end_ms=None, text=plain(text), speaker=speaker)
    return between(start_ms if span.is_real else None, end_ms, plain(text), speaker)


def _text(element: Element) -> str:
    """Return the text shown: white space collapsed as XML's default asks, <br/> a new line."""
    parts = [re.sub(r"\s+", " ", element.text or "")]
    for child in element:
        name = xml.local(child)
        if name == "br":
            parts.append("\n")
        elif name not in _SILENT and xml.attribute(child, "ruby") not in ("text", "textContainer", "delimiter"):
            parts.append(_text(child))
        parts.append(re.sub(r"\s+", " ", child.tail or ""))
    return "".join(parts)


def _span(element: Element, outer: _Span, rates: _Rates) -> _Span:
    """Return an element's time: begin counts from its parent's, and a parent's end cuts it off."""
    values = [xml.attribute(element, name) for name in ("begin", "end", "dur")]
    begin_us, until_us, length_us = (None if value is None else _microseconds(value, rates) for value in values)
    num_read = sum(time is not None for time in (begin_us, until_us, length_us))
    start_us = outer.start_us + (begin_us or 0)
    ends_us = [
        outer.end_us,
        None if until_us is None else outer.start_us + until_us,
        None if length_us is None else start_us + length_us,
    ]
    return _Span(
        start_us=start_us,
        end_us=min((end_us for end_us in ends_us if end_us is not None), default=None),
        is_real=outer.is_real and num_read == sum(value is not None for value in values),
    )


def _microseconds(value: str, rates: _Rates) -> int | None:
    if match := _CLOCK.fullmatch(value.strip()):
        hours, minutes, seconds, fraction, frames, subframes = match.groups()
        if int(minutes) > 59 or int(seconds) > 59:
            return None
        whole_us = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * _SECOND_US
        if frames:
            return whole_us + round(Fraction(f"{frames}.{subframes or 0}") / rates.frame * _SECOND_US)
        return whole_us + int((fraction or "").ljust(6, "0")[:6])
    if match := _OFFSET.fullmatch(value.strip()):
        units = {**_UNIT_US, "f": _SECOND_US / rates.frame, "t": _SECOND_US / rates.tick}
        return round(Fraction(match[1]) * units[match[2]])
    return None


def _rates(root: Element) -> _Rates:
    """Return frames and ticks per second; the defaults are those of TTML2, section 7.2."""
    frame = _positive(xml.attribute(root, "frameRate")) or Fraction(30)
    multiplier = re.fullmatch(r"(\d{1,9})[ :](\d{1,9})", xml.attribute(root, "frameRateMultiplier") or "")
    if multiplier and int(multiplier[1]) and int(multiplier[2]):
        frame *= Fraction(int(multiplier[1]), int(multiplier[2]))
    has_frames = xml.attribute(root, "frameRate") is not None
    tick = _positive(xml.attribute(root, "tickRate")) or (frame if has_frames else Fraction(1))
    return _Rates(frame=frame, tick=tick)


def _positive(value: str | None) -> Fraction | None:
    return Fraction(int(value)) if value and re.fullmatch(r"\d{1,12}", value) and int(value) else None


def _speakers(root: Element) -> dict[str, str]:
    """Return the names of the agents a head declares, by their ids."""
    agents = [item for item in root.iter() if xml.local(item) == "agent" and xml.attribute(item, "id")]
    return {xml.attribute(item, "id") or "": " ".join("".join(item.itertext()).split()) for item in agents}
