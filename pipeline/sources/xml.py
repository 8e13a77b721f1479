"""Read XML that strangers wrote: streaming, forgiving of damage, closed to bombs, entities and outside files.

A document that declares a type (DOCTYPE) is refused whole: entities can only come from there. Damage is passed over
as libxml2 recovers from it: bare ampersands, undeclared prefixes, wrong encodings, a missing end.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from urllib.parse import urljoin

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] (it is compiled)

MAX_BYTES = 20 << 20
MAX_DEPTH = 64

# Vocabularies by the namespace's address without scheme and trailing mark, in lower case. Both addresses of the
# podcast namespace occur, and MRSS is often written without its last slash.
_SPACES: Mapping[str, tuple[str, ...]] = {
    "": (
        "purl.org/rss/1.0",
        "my.netscape.com/rdf/simple/0.9",
        "channel.netscape.com/rdf/simple/0.9",
        "purl.oclc.org/net/rss_2.0/enc",
        "www.sitemaps.org/schemas/sitemap/0.9",
        "www.google.com/schemas/sitemap/0.84",
    ),
    "atom": ("www.w3.org/2005/atom", "purl.org/atom/ns"),
    "podcast": (
        "podcastindex.org/namespace/1.0",
        "github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md",
    ),
    "itunes": ("www.itunes.com/dtds/podcast-1.0.dtd",),
    "media": ("search.yahoo.com/mrss", "tools.search.yahoo.com/mrss", "video.search.yahoo.com/mrss"),
    "creativecommons": ("backend.userland.com/creativecommonsrssmodule", "cyber.law.harvard.edu/rss/creativecommons"),
    "cc": ("web.resource.org/cc", "creativecommons.org/ns"),
    "dc": ("purl.org/dc/elements/1.1", "purl.org/dc/terms"),
    "rsl": ("rslstandard.org/rsl",),
    "video": ("www.google.com/schemas/sitemap-video/1.1",),
    "news": ("www.google.com/schemas/sitemap-news/0.9",),
}
_BY_ADDRESS = {address: space for space, addresses in _SPACES.items() for address in addresses}
_XML = "{http://www.w3.org/XML/1998/namespace}"

_MISDECLARED = re.compile(rb"""\s*<\?xml[^>]{0,100}encoding\s*=\s*["'](?:utf-?16|utf-?32|ucs-?[24])""", re.IGNORECASE)

Name = tuple[str, str]


class NotXml(Exception):
    """A document that cannot or must not be read as XML; the message says why."""


class TooLarge(NotXml):
    """A document with more bytes than are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An element: its vocabulary and name in lower case, the tag and attributes as written, what it holds."""

    name: Name
    tag: str
    attributes: Mapping[str, str]
    text: str
    base: str  # xml:base in force here; '' where there is none
    lang: str  # xml:lang, likewise
    children: tuple[Node, ...] = ()

    def get(self, attribute: str) -> str:
        """Return an attribute by its name without prefix, stripped; '' when absent."""
        found = (value for key, value in self.attributes.items() if key.rpartition(":")[2].lower() == attribute)
        return next(found, "").strip()

    def all(self, *names: Name) -> list[Node]:
        """Return the children that have one of the names, in the order of the names."""
        return [child for name in names for child in self.children if child.name == name]

    def first(self, *names: Name) -> str:
        """Return the text of the first such child that has any; '' when none does."""
        return next((child.text for child in self.all(*names) if child.text), "")


def stream(body: bytes, containers: frozenset[str], max_bytes: int = MAX_BYTES) -> Iterator[Node]:
    """Yield the root without children, then every element directly under it or under another container, whole.

    Memory is that of one such element. NotXml when the document is refused, or when nothing in it is XML.
    """
    if len(body) > max_bytes:
        raise TooLarge(f"it has {len(body)} bytes, more than {max_bytes}")
    depth = inside = 0
    for event, element in _events(body):
        if event == "start":
            if depth == 0:
                yield _root(element)
            elif inside or _name(element.tag, element.prefix)[1] not in containers:
                inside += 1
            depth += 1
            if depth > MAX_DEPTH:
                raise NotXml(f"it is nested deeper than {MAX_DEPTH} levels")
            continue
        depth -= 1
        if inside == 1:
            yield _whole(element, element.base or "", _inherited_lang(element))
            _forget(element)
        inside = max(0, inside - 1)


def markup(node: Node) -> str:
    """Write a node without its children as it stood in the document, for evidence."""
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in node.attributes.items())
    return f"<{node.tag}{attributes}>{escape(node.text, quote=False)}</{node.tag}>"


def joined(base: str, address: str | None) -> str:
    """Return an address, itself perhaps relative, as seen from a base, perhaps relative too."""
    try:
        return urljoin(base, address) if address else base
    except ValueError:
        return base


def _events(body: bytes) -> Iterator[tuple[str, etree._Element]]:
    safe = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
    tolerant = {"recover": True, "remove_comments": True, "remove_pis": True}
    # Bytes that read as ASCII this far are no UTF-16, whatever they declare.
    encoding = "utf-8" if _MISDECLARED.match(body) else None
    is_empty = True
    try:
        for event in etree.iterparse(io.BytesIO(body), ("start", "end"), encoding=encoding, **safe, **tolerant):
            is_empty = False
            yield event
    except etree.XMLSyntaxError as error:
        raise NotXml(f"it is no XML: {error}") from error
    if is_empty:
        raise NotXml("it is no XML")


def _root(element: etree._Element) -> Node:
    node = _node(element, element.base or "", element.get(f"{_XML}lang") or "", ())
    # HTML is told apart for the reader's sake: it declares a type too.
    if node.name[1] == "html":
        raise NotXml("it is an HTML page")
    if element.getroottree().docinfo.internalDTD is not None:
        raise NotXml("it declares a document type (DOCTYPE), which is refused")
    return node


def _whole(element: etree._Element, base: str, lang: str) -> Node:
    children = [
        _whole(child, joined(base, child.get(f"{_XML}base")), child.get(f"{_XML}lang") or lang)
        for child in element
        if isinstance(child.tag, str)
    ]
    return _node(element, base, lang, tuple(children))


def _node(element: etree._Element, base: str, lang: str, children: tuple[Node, ...]) -> Node:
    local = element.tag.rpartition("}")[2]
    return Node(
        name=_name(element.tag, element.prefix),
        tag=f"{element.prefix}:{local}" if element.prefix else local,
        attributes={_written(key, element): value for key, value in element.attrib.items()},
        text=(element.text or "").strip(),
        base=base,
        lang=lang,
        children=children,
    )


def _written(key: str, element: etree._Element) -> str:
    space, _, local = key.rpartition("}")
    prefixes = [prefix for prefix, address in element.nsmap.items() if address == space[1:]] if space else []
    return f"{prefixes[0]}:{local}" if prefixes and prefixes[0] else local


@lru_cache(maxsize=4096)
def _name(tag: str, prefix: str | None) -> Name:
    space, _, local = tag.rpartition("}")
    if not space and ":" in local:
        prefix, _, local = local.partition(":")
    address = space[1:].lower().partition("://")[2].rstrip("/#")
    known = _BY_ADDRESS.get(address)
    # A misspelt or undeclared namespace is told by the prefix people give it; an unknown one keeps its own.
    return (prefix or "").lower() if known is None else known, local.lower()


def _inherited_lang(element: etree._Element) -> str:
    own = element.get(f"{_XML}lang")
    return own or next((lang for up in element.iterancestors() if (lang := up.get(f"{_XML}lang"))), "")


def _forget(element: etree._Element) -> None:
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]
