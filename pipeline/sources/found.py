"""What a source says: the places it can be read from, and the audio with captions found at each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline import store
from pipeline.hosts import is_web
from pipeline.page import Page, Read


class Unreadable(Exception):
    """A place of a source that could not be read; it becomes a row with this status."""

    def __init__(self, page: Page) -> None:
        """Keep what reading gave."""
        super().__init__(f"{page.url}: {page.status}: {page.detail}")
        self.page = page


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A place that can be listed on its own: a feed, a sitemap, an archive, a folder.

    `validator` changes when a local place does; the web's answers are asked for again by a new `refresh`. A place
    `is_large` when listing it takes minutes or gives 100 000 rows: it is a unit of its own.
    """

    url: str
    validator: str | None = None
    is_large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One audio file and the caption published beside it, as a source states them.

    `text_inline` is a caption that stands in the listing itself; discovery stores it and gives it a text_url.
    `status` other than 'ok' says why a place that should have given audio gave none; it has no audio_url.
    """

    page_url: str
    audio_url: str = ""
    text_url: str | None = None
    text_inline: bytes | None = None
    text_format: str | None = None
    text_kind: str | None = None
    text_kind_evidence: str | None = None
    declared_lang: str | None = None
    declared_text_lang: str | None = None
    declared_split: str | None = None
    is_synthetic: bool = False
    declared_duration_ms: int | None = None
    title: str | None = None
    guid: str | None = None
    license: str | None = None
    license_url: str | None = None
    license_evidence: str | None = None
    opt_out_evidence: str | None = None
    integrity: str | None = None
    validator: str | None = None
    status: str = "ok"
    status_detail: str | None = None
    is_retryable: bool = False


class Source(Protocol):
    """Something that lists audio with captions: a frozen dataclass whose fields are its settings."""

    @property
    def name(self) -> str:
        """Name of the source, stored on every row."""
        ...

    @property
    def candidates_per_unit(self) -> int | None:
        """How many candidates make a unit where no host is owed politeness; None keeps a host in one unit."""
        ...

    def seeds(self, read: Read) -> Iterable[Seed]:
        """List the places; UserError when the source as it is set up cannot have any."""
        ...

    def find(self, seed: str, read: Read) -> Iterable[Found]:
        """List what one place offers; Unreadable when it cannot be read."""
        ...


def read_ok(read: Read, url: str) -> Page:
    """Read a place; Unreadable unless it gives a body."""
    page = read(url)
    if page.status != "ok":
        raise Unreadable(page)
    return page


def unreadable(error: Unreadable, place: str) -> Found:
    """Turn a place that could not be read into the row that says so."""
    page = error.page
    return Found(
        page_url=page.url or place,
        status=page.status,
        status_detail=page.detail,
        is_retryable=page.is_retryable,
        opt_out_evidence="\n".join(page.opt_outs) or None,
    )


def local_seed(source: Source, path: str, read: Read) -> Seed:
    """Return a local place whose validator changes with anything the source finds there, the files' stamps included.

    What the place names on the web is not asked for.
    """
    found: list[str] = []
    try:
        for item in source.find(path, lambda url: Page(url=url, status="not_asked") if is_web(url) else read(url)):
            found.append(repr(item))
    except Unreadable as error:
        found.append(str(error))
    return Seed(url=path, validator=hashlib.sha256("\n".join(found).encode()).hexdigest())


def file_stamp(path: Path) -> str:
    """Return what changes when a local file changes: size and modification time, or 'missing'."""
    return store.stamp(str(path))
