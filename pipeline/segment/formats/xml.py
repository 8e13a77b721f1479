"""Parse XML that nobody vouches for: no DOCTYPE, no entities, no network, no deep nesting."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from pipeline.segment.cue import Unreadable

MAX_DEPTH = 64  # real captions nest six deep
_PROLOGUE = re.compile(
    r"(?:\s|\ufeff|<\?[^>]*\?>|<!--(?:(?!-->).)*-->|<!DOCTYPE[^>\[]*(?:\[[^\]]*\])?\s*>)*", re.DOTALL | re.I
)
_ROOT = re.compile(r"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)(?=[\s/>])")
_DECLARATION = re.compile(r"[\s\ufeff]*<\?xml[^>]*\?>")
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)")
_HEAD_CHARS = 8192

Element = Any  # lxml.etree._Element, which has no public name


def root_name(text: str) -> str | None:
    """Return the local name of the first element of a text that is markup from its start, in lower case."""
    head = text[:_HEAD_CHARS]
    prologue = _PROLOGUE.match(head)
    match = _ROOT.match(head, prologue.end() if prologue else 0)
    return match[1].lower() if match else None


def parse(text: str) -> Element:
    """Return the root element; Unreadable says why there is none."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Unreadable("unparsable", "XML with a DOCTYPE; expected none in captions")
    # HTML's entities (&nbsp;) and bare ampersands are common; they are resolved with the cue's text.
    declaration = _DECLARATION.match(text)
    body = _BARE_AMPERSAND.sub("&amp;", text[declaration.end() if declaration else 0 :].strip("\ufeff \t\r\n"))
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root: Element = etree.fromstring(body.encode("utf-8", errors="replace"), parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable("unparsable", f"XML that is not well formed: {error.msg}") from error
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise Unreadable("unparsable", f"XML nested deeper than {MAX_DEPTH}")
    return root


def local(element: Element) -> str:
    """Return an element's name without its namespace, in lower case: prefixes and years of namespaces vary."""
    return str(element.tag).rpartition("}")[2].lower()


def attribute(element: Element, name: str) -> str | None:
    """Return an attribute by its local name, whatever its namespace."""
    value = element.get(name)
    if value is None and len(element.attrib) > 0:
        ending = "}" + name
        value = next((other for key, other in element.attrib.items() if key.endswith(ending)), None)
    return None if value is None else str(value)
