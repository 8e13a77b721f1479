"""schema.org in a page: audio and video objects with their transcripts, as JSON-LD, microdata or RDFa Lite.

The three are brought into one form, nodes of '@type' and properties. JSON-LD is read forgivingly (raw line ends,
trailing commas, comment marks); a script beyond mending is passed over. All walks are bounded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast

from pipeline.languages import code_of
from pipeline.sources.address import absolute, is_video
from pipeline.sources.html import Element, attribute, elements, inner_html
from pipeline.sources.offers import Offer
from pipeline.sources.pairing import Audio, Caption, text_format
from pipeline.sources.rights import Licence

MAX_NODES = 10_000
MAX_DEPTH = 32
MAX_TEXTS, MAX_CHARS = 100, 1000  # pieces of a property's text other than a transcript, and characters of each
_FILES = frozenset({"AudioObject", "VideoObject", "MediaObject", "AudioObjectSnapshot", "VideoObjectSnapshot"})
_WORKS = frozenset({"PodcastEpisode", "RadioEpisode", "TVEpisode", "Episode", "Clip", "RadioClip", "Audiobook"})
_NESTED = ("associatedMedia", "audio", "video", "encoding")
_SCRIPT_MARKS = re.compile(r"^\s*(?:<!--|(?://\s*)?<!\[CDATA\[)|(?:-->|(?://\s*)?\]\]>)\s*;?\s*$")
_MARKUP = re.compile(r"</?(p|br|div|span|cite|time)\b", re.IGNORECASE)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_ISO_DURATION = re.compile(
    r"P(?:(?P<days>\d{1,4})D)?(?:T(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,8}(?:[.,]\d+)?)S)?)?"
)

Value = Any
Object = Mapping[str, Value]


def offers_in(root: Element, base: str, where: str) -> Iterator[Offer]:
    """Yield what each audio, video or episode object of the page offers."""
    tops = [
        *_json_ld(root),
        *_scoped(root, "itemscope", "itemtype", "itemprop"),
        *_scoped(root, "typeof", "typeof", "property"),
    ]
    nodes = list(_objects(tops))
    by_id = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str) and len(node) > 1}
    for node in nodes:
        if _types(node) & (_FILES | _WORKS):
            offer = _offer(node, by_id, base, where)
            if offer.audios or (offer.captions and not node.get("embedUrl")):
                yield offer


def iso_duration_ms(text: str) -> int | None:
    """Read an ISO 8601 duration (PT1H2M3.5S); None when it is none, or zero."""
    match = _ISO_DURATION.fullmatch(text.strip().upper())
    if match is None:
        return None
    days, hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in match.groups())
    return round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000) or None


def _offer(node: Object, by_id: Mapping[str, Object], base: str, where: str) -> Offer:
    nested = [item for key in _NESTED for item in _nested(node, key, by_id)]
    named = [{"contentUrl": value} for key in _NESTED for value in _list(node.get(key)) if isinstance(value, str)]
    duration = iso_duration_ms(_text(node.get("duration")) or _text(node.get("timeRequired")))
    audios = [audio for item in (node, *nested, *named) for audio in _audios(item, base, duration)]
    return Offer(
        audios=tuple(audios),
        captions=tuple(_captions(node, by_id, base)),
        lang=next((code for value in _list(node.get("inLanguage")) if (code := _language(value, by_id))), None),
        title=_text(node.get("name")) or _text(node.get("headline")) or None,
        licence=_licence(node, by_id, where),
    )


def _audios(node: Object, base: str, duration_ms: int | None) -> Iterator[Audio]:
    types = _types(node)
    for address in map(_text, _list(node.get("contentUrl"))):
        url = absolute(base, address) if address else None
        kind = "audio/" if "AudioObject" in types else "video/" if "VideoObject" in types else ""
        video = is_video(_text(node.get("encodingFormat")) or kind, address)
        video = is_video(kind, address) if video is None else video
        if url and video is not None:
            yield Audio(
                url=url, is_video=video, duration_ms=iso_duration_ms(_text(node.get("duration"))) or duration_ms
            )


def _captions(node: Object, by_id: Mapping[str, Object], base: str) -> Iterator[Caption]:
    """A caption in words is a picture's legend, not what is said: only a file, or a caption file's text, is taken."""
    for key in ("transcript", "caption", "subtitle"):
        for value in _list(node.get(key)):
            if isinstance(value, str):
                yield from _stated(value, base, is_transcript=key == "transcript")
        for item in _nested(node, key, by_id):
            address = _text(item.get("contentUrl")) or _text(item.get("url"))
            url = absolute(base, address) if address else None
            lang = next((code for tag in _list(item.get("inLanguage")) if (code := _language(tag, by_id))), None)
            if url:
                media_type = _text(item.get("encodingFormat"))
                yield Caption(url=url, format=text_format(media_type, url), lang=lang, is_captions=key != "transcript")
            elif text := _text(item.get("text")):
                yield Caption(inline=text.encode("utf-8", "replace"), format="txt", lang=lang)


def _stated(text: str, base: str, is_transcript: bool) -> Iterator[Caption]:
    text, known = text.strip(), text_format("", text)
    if text and not re.search(r"\s", text) and ("://" in text or known):
        url = absolute(base, text)
        if url and (is_transcript or known):
            yield Caption(url=url, format=known, is_captions=not is_transcript)
    elif text.startswith("WEBVTT"):
        yield Caption(inline=text.encode("utf-8", "replace"), format="vtt", is_captions=True)
    elif text and is_transcript:
        yield Caption(inline=text.encode("utf-8", "replace"), format="html" if _MARKUP.search(text) else "txt")


def _licence(node: Object, by_id: Mapping[str, Object], where: str) -> Licence | None:
    for value in _list(node.get("license")):
        named = value if not isinstance(value, dict) else by_id.get(str(value.get("@id")), cast(Object, value))
        evidence = f"{where}: schema.org license {json.dumps(value, ensure_ascii=False, default=str)}"
        if isinstance(named, str) and named.strip():
            is_address = named.startswith(("http://", "https://"))
            return Licence(name=None if is_address else named, url=named if is_address else None, evidence=evidence)
        if isinstance(named, dict):
            address = _text(named.get("url")) or _text(named.get("@id"))
            return Licence(name=_text(named.get("name")) or None, url=address or None, evidence=evidence)
    return None


def _language(value: Value, by_id: Mapping[str, Object]) -> str | None:
    if isinstance(value, str):
        return code_of(value)
    if isinstance(value, dict):
        named = by_id.get(str(value.get("@id")), cast(Object, value))
        return code_of(_text(named.get("alternateName"))) or code_of(_text(named.get("name")))
    return None


def _nested(node: Object, key: str, by_id: Mapping[str, Object]) -> list[Object]:
    objects = [cast(Object, value) for value in _list(node.get(key)) if isinstance(value, dict)]
    return [by_id.get(str(item.get("@id")), item) for item in objects]


def _types(node: Object) -> set[str]:
    return {re.split(r"[/#:]", name)[-1] for name in _list(node.get("@type")) if isinstance(name, str)}


def _text(value: Value) -> str:
    """Return a value's first text; JSON-LD may wrap it in '@value' or '@id'."""
    for item in _list(value):
        if isinstance(item, dict):
            item = item.get("@value") or item.get("@id")
        if isinstance(item, str) and item.strip():
            return item.strip()
    return ""


def _list(value: Value) -> list[Value]:
    return cast(list[Value], value) if isinstance(value, list) else [] if value is None else [value]


def _objects(tops: Iterable[Value]) -> Iterator[Object]:
    """Yield every object under the given values, the outer before the inner, down to a depth and up to a number."""
    stack = [(value, 0) for value in reversed(list(tops))]
    for _ in range(MAX_NODES):
        if not stack:
            return
        value, depth = stack.pop()
        inner = value.values() if isinstance(value, dict) else _list(value) if isinstance(value, list) else ()
        if isinstance(value, dict):
            yield cast(Object, value)
        if depth < MAX_DEPTH:
            stack += [(item, depth + 1) for item in reversed(list(inner)) if isinstance(item, (dict, list))]


def _json_ld(root: Element) -> Iterator[Value]:
    for script in elements(root, "script"):
        if "ld+json" in attribute(script, "type").lower():
            text = _SCRIPT_MARKS.sub("", _SCRIPT_MARKS.sub("", script.text or ""))
            yield _lenient_json(text)


def _lenient_json(text: str) -> Value:
    for attempt in (text, _TRAILING_COMMA.sub(r"\1", text)):
        try:
            return json.loads(attempt, strict=False)
        except (ValueError, RecursionError):  # broken, or nested deeper than anybody writes
            continue
    return None


def _scoped(root: Element, scope: str, kind: str, prop: str) -> Iterator[Object]:
    """Yield the top objects of microdata ('itemscope', ...) or RDFa Lite ('typeof', ...)."""
    objects: dict[Element, dict[str, Value]] = {}
    marked = (element for element in elements(root) if element.get(scope) is not None or element.get(prop))
    for element in islice(marked, MAX_NODES):
        names = [name.rpartition(":")[2] for name in attribute(element, prop).split()]
        owner = next((objects[up] for up in element.iterancestors() if up in objects), None)
        if element.get(scope) is None:
            value: Value = _property(element, names)
        else:
            value = objects[element] = {"@type": attribute(element, kind).split()}
            if owner is None or not names:
                yield value
        if owner is not None:
            for name in names:
                owner.setdefault(name, []).append(value)


def _property(element: Element, names: Sequence[str]) -> str:
    named = attribute(element, "content", "src", "href", "data-src", "data", "datetime", "resource")
    if named or "transcript" not in names:
        pieces = (text[:MAX_CHARS] for text in islice(element.itertext(), MAX_TEXTS))
        return named or " ".join(" ".join(pieces).split())
    is_nested = any("transcript" in attribute(up, "itemprop", "property") for up in element.iterancestors())
    return "" if is_nested else inner_html(element)
