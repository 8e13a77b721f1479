"""Read one document of a feed, RSS 2.0, RSS 1.0 or Atom: its items with their audio and captions, its own statements.

What feeds say is taken from every vocabulary in use: RSS enclosures, Media RSS, iTunes, Podcasting 2.0, Atom links.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.languages import code_of
from pipeline.page import Page
from pipeline.sources.address import absolute, is_video
from pipeline.sources.pairing import Audio, Caption, text_format
from pipeline.sources.rights import BLOCKS, LICENCES, NOTICES, RESERVATIONS, Licence, licence_of, refusals
from pipeline.sources.xml import MAX_BYTES, Name, Node, NotXml, joined, markup, stream

_ROOTS = frozenset({"rss", "rdf", "feed", "channel"})
_CONTAINERS = frozenset({"channel"})
_ITEMS = frozenset({("", "item"), ("", "entry"), ("atom", "entry")})
_LINKS: tuple[Name, ...] = (("", "link"), ("atom", "link"))
_AI: Name = ("podcast", "txt")
_LANGUAGES: tuple[Name, ...] = (("", "language"), ("dc", "language"))
_OF_CHANNEL = frozenset({*_LINKS, _AI, *_LANGUAGES, *LICENCES, *NOTICES, *BLOCKS, *RESERVATIONS})
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(?:(\d{1,4}):)?(\d{1,7}(?:\.\d{1,9})?)")
_SRI = re.compile(r"(sha256|sha384|sha512)-[A-Za-z0-9+/]+=*")
MAX_STATEMENTS = 200  # of one feed; a feed says each of these things once, or a few times


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An episode: what it offers and what it states about itself; `guid` may be missing or shared."""

    audios: tuple[Audio, ...]
    captions: tuple[Caption, ...]
    unusable: tuple[str, ...]  # addresses of audio that nobody should follow
    guid: str | None
    link: str | None
    title: str | None
    lang: str | None
    duration_ms: int | None
    licence: Licence | None
    refusals: tuple[str, ...]
    machine_made: str | None  # the statement that it is, as it stands

    @property
    def key(self) -> str:
        """What tells the item from its neighbours."""
        return self.guid or self.link or (self.audios[0].url if self.audios else self.title or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A document of a feed; `next_url` continues it, `num_unread` items stood beyond the limit."""

    items: tuple[Item, ...]
    num_unread: int
    lang: str | None
    licence: Licence | None
    refusals: tuple[str, ...]
    machine_made: str | None
    next_url: str | None


def read_feed(page: Page, max_items: int) -> Feed:
    """Read a feed's document; NotXml when it is none. The channel's statements may stand after its items."""
    nodes = stream(page.body, _CONTAINERS, MAX_BYTES)
    root = next(nodes)
    if root.name[1] not in _ROOTS:
        raise NotXml(f"its root is <{root.tag}>")
    items: list[Item] = []
    statements: list[Node] = []
    num_items = 0
    for node in nodes:
        if node.name in _ITEMS:
            num_items += 1
            if len(items) < max_items:
                items.append(_item(node, page.url))
        elif node.name in _OF_CHANNEL and len(statements) < MAX_STATEMENTS:
            statements.append(node)
    return Feed(
        items=tuple(items),
        num_unread=num_items - len(items),
        lang=_first_language([node.text for node in statements if node.name in _LANGUAGES] + [root.lang]),
        licence=licence_of(statements, page.url),
        refusals=refusals(statements, page.url),
        machine_made=_machine_made(statements, page.url),
        next_url=_next(statements, page.url),
    )


def clock_ms(text: str) -> int | None:
    """Read a length written as H:MM:SS, M:SS or seconds; None when it is none of these or zero."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    first, second, seconds = match.groups()
    hours, minutes = (first, second) if second else ("0", first)
    return round(((int(hours) * 60 + int(minutes or 0)) * 60 + float(seconds)) * 1000) or None


def _item(item: Node, page_url: str) -> Item:
    parts = list(_parts(item))
    lang = _first_language([*(node.text for node in item.all(*_LANGUAGES)), item.lang])
    claims = list(_audios(parts, page_url))
    length = clock_ms(item.first(("itunes", "duration")))
    return Item(
        audios=tuple(audio for audio, _ in claims if audio),
        captions=tuple(_captions(parts, page_url)),
        unusable=tuple(raw for audio, raw in claims if audio is None),
        guid=item.first(("", "guid"), ("atom", "id"), ("", "id")) or item.get("about") or None,
        link=item.first(("", "link")) or None,
        title=item.first(("", "title"), ("atom", "title"), ("itunes", "title"), ("media", "title")) or None,
        lang=lang,
        duration_ms=length,
        licence=licence_of(parts, page_url),
        refusals=refusals(parts, page_url),
        machine_made=_machine_made(parts, page_url),
    )


def _parts(item: Node) -> Iterator[Node]:
    """Yield an item's parts, those of its Media RSS groups and contents too."""
    for node in item.children:
        yield node
        if node.name in (("media", "group"), ("media", "content")):
            yield from _parts(node)


def _audios(parts: Sequence[Node], page_url: str) -> Iterator[tuple[Audio | None, str]]:
    """Yield audio in the order of preference, each with its address as written; None for one that is not on the web."""
    enclosures = [node for node in parts if node.name == ("", "enclosure")]
    linked = [node for node in parts if node.name in _LINKS and node.get("rel") == "enclosure"]
    alternates = [node for node in parts if node.name == ("podcast", "alternateenclosure")]
    contents = [node for node in parts if node.name == ("media", "content")]
    for node in (*enclosures, *linked):
        yield from _audio(node, node.get("url") or node.get("href") or node.get("resource"), page_url, node)
    for node in sorted(alternates, key=lambda node: node.get("default") != "true"):
        for source in node.all(("podcast", "source")):
            yield from _audio(node, source.get("uri") or source.get("url"), page_url, source)
    for node in contents:
        yield from _audio(node, node.get("url"), page_url, node)


def _audio(node: Node, raw: str, page_url: str, addressed: Node) -> Iterator[tuple[Audio | None, str]]:
    media_type = addressed.get("contenttype") or node.get("type") or node.get("medium") + "/"
    video = is_video(media_type, raw)
    if not raw or video is None:
        return
    url = _absolute(addressed, raw, page_url)
    if url is None:
        yield None, raw
        return
    seals = [seal.get("value") for seal in node.all(("podcast", "integrity")) if seal.get("type") == "sri"]
    audio = Audio(
        url=url,
        is_video=video,
        lang=code_of(node.get("lang")),
        duration_ms=clock_ms(node.get("duration")),
        integrity=next((seal for seal in seals if _SRI.fullmatch(seal)), None),
    )
    yield audio, raw


def _captions(parts: Sequence[Node], page_url: str) -> Iterator[Caption]:
    for node in parts:
        if node.name in (("podcast", "transcript"), ("media", "subtitle")):
            raw = node.get("url") or node.get("href")
            url = _absolute(node, raw, page_url) if raw else None
            if url:
                yield Caption(
                    url=url,
                    format=text_format(node.get("type"), url),
                    lang=code_of(node.get("language") or node.get("lang")),
                    is_captions=node.get("rel").lower() == "captions" or node.name[0] == "media",
                )
    yield from _media_texts([node for node in parts if node.name == ("media", "text") and node.text])


def _media_texts(nodes: Sequence[Node]) -> Iterator[Caption]:
    """Yield the texts of Media RSS: those with times are the cues of one caption in each language."""
    timed = [node for node in nodes if clock_ms(node.get("end"))]
    for lang in dict.fromkeys(node.get("lang") for node in timed):
        cues = [f"{_stamp(n, 'start')} --> {_stamp(n, 'end')}\n{n.text}" for n in timed if n.get("lang") == lang]
        inline = ("\n\n".join(["WEBVTT", *cues]) + "\n").encode()
        yield Caption(inline=inline, format="vtt", lang=code_of(lang), is_captions=True)
    for node in nodes:
        if node not in timed:
            kind = "html" if node.get("type") == "html" else "txt"
            yield Caption(inline=node.text.encode(), format=kind, lang=code_of(node.get("lang")))


def _stamp(node: Node, edge: str) -> str:
    seconds, ms = divmod(clock_ms(node.get(edge)) or 0, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}"


def _machine_made(nodes: Iterable[Node], where: str) -> str | None:
    stated = (node for node in nodes if node.name == _AI and node.get("purpose").lower() == "ai-content")
    return next((f"{where}: {markup(node)}" for node in stated if node.text.lower() in ("true", "yes")), None)


def _next(nodes: Iterable[Node], page_url: str) -> str | None:
    """RFC 5005: the next page of a paged feed, or the archive before this document."""
    links = [node for node in nodes if node.name in _LINKS and node.get("href")]
    wanted = [node for rel in ("next", "prev-archive") for node in links if node.get("rel").lower() == rel]
    return next((url for node in wanted if (url := _absolute(node, node.get("href"), page_url))), None)


def _absolute(node: Node, raw: str, page_url: str) -> str | None:
    return absolute(page_url, joined(node.base, raw.strip()))


def _first_language(tags: Iterable[str]) -> str | None:
    return next((code for tag in tags if tag and (code := code_of(tag))), None)
