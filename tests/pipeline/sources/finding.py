"""Run a source over given documents, as discovery does but without a web."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.page import Page, Read
from pipeline.sources.found import Found, Source, Unreadable, unreadable

HOME = "http://h.test/d/"


def reading(documents: Mapping[str, str | bytes | Page], asked: list[str] | None = None) -> Read:
    """Read documents by address, relative to HOME; any other is missing, and every address asked for is noted."""
    pages = {absolute(name): document for name, document in documents.items()}

    def read(url: str) -> Page:
        if asked is not None:
            asked.append(url.removeprefix(HOME))
        document = pages.get(url, Page(url=url, status="http_404", detail="not found"))
        if isinstance(document, Page):
            return document
        return Page(url=url, body=document if isinstance(document, bytes) else document.encode())

    return read


def absolute(name: str) -> str:
    return name if "://" in name else HOME + name


def found(source: Source, documents: Mapping[str, str | bytes | Page], asked: list[str] | None = None) -> list[Found]:
    """Return what a source finds from its root; an unreadable place is a row, as in discovery."""
    rows: list[Found] = []
    seed = absolute(source.root)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        for row in source.find(seed, reading(documents, asked)):
            rows.append(row)
    except Unreadable as error:
        rows.append(unreadable(error, seed))
    return rows


def short(url: str | None) -> str | None:
    """Write an address as it stands relative to HOME."""
    return url.removeprefix(HOME) if url else None


def pairs_of(rows: list[Found]) -> list[tuple[str | None, str | None]]:
    """Return the (audio, caption) addresses of the usable rows."""
    return [(short(row.audio_url), short(row.text_url)) for row in rows if row.status == "ok"]
