"""A source's places: the one address it was given, or those on a list, an OPML file or lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import UserError
from pipeline.hosts import is_web
from pipeline.page import Page, Read
from pipeline.sources.address import absolute
from pipeline.sources.found import Seed, Source, local_seed
from pipeline.sources.xml import Node, NotXml, stream
from pipeline.suffixes import suffix_of


def places(source: Source, root: str, read: Read) -> list[Seed]:
    """Return what `root` names: the places on a list (.opml, .txt), or itself; UserError when it is not there."""
    root = _existing(root)
    if suffix_of(root) not in ("opml", "txt"):
        return [place(source, root, read)]
    page = read(root)
    if page.status != "ok":
        raise UserError(
            f"source.root {root!r} cannot be read ({page.status}: {page.detail}); "
            "expected a list of addresses, OPML or one a line; check the address"
        )
    addresses = _outlines(page) if suffix_of(root) == "opml" else _lines(page.body)
    urls = [url for address in addresses if (url := absolute(page.url, address))]
    return [place(source, url, read) for url in dict.fromkeys(urls)]


def place(source: Source, root: str, read: Read) -> Seed:
    """Return one place; UserError when it is a file that is not there."""
    root = _existing(root)
    return Seed(url=root) if is_web(root) else local_seed(source, root, read)


def _existing(root: str) -> str:
    if "://" in root:
        return root
    path = Path(root).expanduser().resolve()
    if not path.is_file():
        raise UserError(
            f"source.root {root!r} is not a file; expected an address, a document or a list (.opml, .txt); "
            "give root=URL_OR_FILE"
        )
    return str(path)


def _outlines(page: Page) -> Iterable[str]:
    try:
        nodes = list(stream(page.body, frozenset()))
    except NotXml as error:
        raise UserError(
            f"source.root {page.url!r} is no OPML: {error}; expected <outline xmlUrl=...>; mend the file"
        ) from error
    return [url for node in nodes for url in _outline_urls(node)]


def _outline_urls(node: Node) -> Iterator[str]:
    if node.name[1] == "outline" and node.get("xmlurl"):
        yield node.get("xmlurl")
    for child in node.children:
        yield from _outline_urls(child)


def _lines(body: bytes) -> list[str]:
    lines = (line.strip() for line in body.decode("utf-8-sig", "replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
