"""HTML transcripts: the podcast namespace's <cite>, <time>, <p>, or any page whose text is a transcript.

The page becomes lines of text, and those are read as plain text is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from pipeline.segment.cue import Reading, Unreadable
from pipeline.segment.formats import plain, xml
from pipeline.segment.formats.xml import Element

_MIN_LETTERS = 80  # some fifteen words; a page that says only something has fewer
_MAX_LINK_SHARE = 0.5  # of the characters; menus and result lists have more
_INLINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "mark", "q", "s", "small", "span", "strong"}
    | {"sub", "sup", "time", "u"}
)
_BLOCKS = frozenset(
    {"article", "blockquote", "body", "center", "dd", "div", "dl", "dt", "figure", "html", "li", "main", "ol", "p"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "pre", "section", "table", "tbody", "td", "th", "tr", "ul"}
)
_SILENT = frozenset(
    {"aside", "audio", "button", "footer", "form", "head", "header", "iframe", "nav", "noscript", "object", "script"}
    | {"select", "style", "svg", "template", "textarea", "title", "video"}
)
_SPACED = frozenset({"cite", "td", "th", "time"})
_EDGES = dict.fromkeys(_INLINE, "") | dict.fromkeys(_BLOCKS | {"br", "hr"}, "\n") | dict.fromkeys(_SPACED, " ")
_ROOTS = {*_EDGES, *_SILENT}
_SPACE = re.compile(r"\s+")


def read(text: str) -> Reading | None:
    """Read a transcript; None where the text is not HTML from its start, Unreadable for a page that is none."""
    if xml.root_name(text) not in _ROOTS:
        return None
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True)
    root = etree.fromstring(text.encode("utf-8", errors="replace"), parser)
    if root is None:
        raise Unreadable("not_captions", "an HTML page that holds nothing")
    title = next((found for tag in ("title", "h1") if (found := _text_of(root.find(f".//{tag}")))), "")
    if plain.is_error_title(title):
        raise Unreadable("not_captions", f"an HTML page: {title[:60]!r}")
    lines = [" ".join(line.split()) for line in "".join(_pieces(root)).split("\n")]
    num_linked = sum(len(_text_of(link)) for link in root.iter("a"))
    if num_linked > _MAX_LINK_SHARE * max(1, sum(map(len, lines))):
        raise Unreadable("not_captions", f"an HTML page of links: {title[:60]!r}")
    try:
        reading = plain.read_lines([line for line in lines if line] or [""], _MIN_LETTERS)
    except Unreadable as error:
        raise Unreadable(error.status, f"an HTML page with {error}") from error
    generator = next((meta.get("content") for meta in root.iter("meta") if meta.get("name") == "generator"), None)
    return replace(reading, notes=(generator,) if generator else (), lang=root.get("lang") or None)


def _text_of(element: Element | None) -> str:
    return "" if element is None else _SPACE.sub(" ", "".join(element.itertext())).strip()


def _pieces(root: Element) -> Iterator[str]:
    """Yield text and line ends in the order of the page."""
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        tag = str(element.tag)
        if event == "end":
            yield "" if tag in _SILENT else _EDGES.get(tag, "")
            yield _SPACE.sub(" ", element.tail or "")
        elif tag in _SILENT:
            walk.skip_subtree()
        else:
            yield _EDGES.get(tag, "")
            yield _SPACE.sub(" ", element.text or "")
