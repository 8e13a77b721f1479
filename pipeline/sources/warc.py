"""Web archives: the audio with captions on the pages they hold. Audio and captions themselves are fetched live.

`root` is an archive (.warc, .warc.gz, or Common Crawl's .wat.gz) on a disk or s3://, a folder of them, or a list
(.txt, .paths, .paths.gz), whose relative lines are taken from `base`, by default the list's folder. WARC records are
read as page does; of a WAT, which has links but no page, the pages with a <track> are read live. WET is text without
links, and says so. A row counts an archive's pages without audio.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline import store
from pipeline.errors import UserError
from pipeline.hosts import is_web
from pipeline.page import Page, Read
from pipeline.sources.archive import Record, records
from pipeline.sources.found import Found, Seed, Unreadable, read_ok, unreadable
from pipeline.sources.page import found_in, stated
from pipeline.sources.stored import existing, folder_of, refused
from pipeline.unpacked import DAMAGE, Bomb, open_unpacked

ENDINGS = (".warc", ".warc.gz", ".wat", ".wat.gz")
LISTS = (".txt", ".paths", ".paths.gz")
MAX_LIST_BYTES = 64 << 20  # a crawl of Common Crawl has 90 000 lines, 12 MB
# What a page must hold to have audio: one of the first, or schema.org and one of the second. Few do.
_TAGS = (b"<audio", b"<video", b"og:audio")
_TYPES = (b"audioobject", b"videoobject", b"mediaobject", b"episode", b"clip", b"audiobook")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarcSource:
    """Archives at `root`; `language` and `license` fill what a page does not state."""

    root: str
    name: str = "warc"
    base: str | None = None
    language: str | None = None
    license: str | None = None
    captioned_only: bool = True
    max_records: int = 1_000_000
    max_pages: int = 1_000
    candidates_per_unit: int | None = None

    def seeds(self, read: Read) -> list[Seed]:
        """Return the archives."""
        root = existing(self.root, "a web archive, a folder or a list of them")
        if root.endswith(LISTS):
            uris = _listed(root, self.base or folder_of(root))
        else:
            uris = [root] if not store.list_files(root) else store.list_files(root)
            uris = [uri for uri in uris if uri.endswith(ENDINGS)]
        if not uris:
            raise UserError(
                f"source.root {self.root!r} names no web archive with links; expected {', '.join(ENDINGS)} "
                "(WET holds text only); give the WARC or WAT of the same crawl"
            )
        return [
            Seed(url=uri, validator=store.stamp(uri) if store.is_local(uri) else None, is_large=True) for uri in uris
        ]

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List the recordings of an archive's pages in its order."""
        num_pages = num_bare = num_live = 0
        for record in self._records(seed):
            if isinstance(record, Found):
                yield record
                continue
            num_pages += 1
            is_live = self._has_media(record)
            num_live += is_live
            if num_live > self.max_pages:
                yield refused(f"{seed}#more", "over_limit", f"more than max_pages={self.max_pages} to read live")
                break
            found = list(self._live(record, read) if is_live else self._archived(record))
            num_bare += not found
            yield from found
        if num_bare:
            yield refused(f"{seed}#bare", "no_audio", f"{num_bare} of {num_pages} pages have no audio")

    def _records(self, seed: str) -> Iterator[Record | Found]:
        try:
            with open_unpacked(seed) as stream:
                yield from self._limited(records(stream), seed)
        except DAMAGE as error:
            status = "bomb" if isinstance(error, Bomb) else "bad_archive"
            yield refused(f"{seed}#end", status, f"it cannot be read from here: {error}")

    def _limited(self, found: Iterable[Record], seed: str) -> Iterator[Record | Found]:
        for number, record in enumerate(found):
            if record.is_text:
                yield refused(seed, "no_links", "WET holds text without links; give the WARC or WAT of this name")
                return
            if number == self.max_records:
                yield refused(f"{seed}#more", "over_limit", f"more than max_records={self.max_records}")
                return
            yield record

    def _archived(self, record: Record) -> Iterator[Found]:
        return found_in_record(record, stated(record.lang or self.language, self.license), self.captioned_only)

    def _live(self, record: Record, read: Read) -> Iterator[Found]:
        try:
            yield from found_in(read_ok(read, record.url), stated(self.language, self.license), self.captioned_only)
        except Unreadable as error:
            yield unreadable(error, record.url)

    def _has_media(self, record: Record) -> bool:
        """Tell whether a page's links promise audio; a <source> may be a picture's, unless there is a <track>."""
        wanted = {"TRACK@/src"} if self.captioned_only else {"TRACK@/src", "AUDIO@/src", "VIDEO@/src"}
        return is_web(record.url) and bool(record.link_paths & wanted)


def found_in_record(record: Record, default: Found, captioned_only: bool) -> Iterator[Found]:
    """List what an archived page offers, and what is wrong with it; nothing where it shows no sign of audio."""
    if record.status != "ok":
        yield refused(record.url, record.status, record.detail or "")
    if record.page is None or not _has_marks(record.page):
        return
    try:
        yield from found_in(record.page, default, captioned_only)
    except Unreadable as error:
        yield unreadable(error, record.url)


def _has_marks(page: Page) -> bool:
    """Tell whether a page can have audio, in a tenth of the time it takes to read it."""
    body = page.body.lower()
    if any(tag in body for tag in _TAGS) or b"\0" in body[:64]:  # UTF-16 is not looked through
        return True
    return b"schema.org" in body and any(name in body for name in _TYPES)


def _listed(uri: str, base: str) -> list[str]:
    """Return the archives on a list."""
    with open_unpacked(uri) as stream:
        lines = stream.read(MAX_LIST_BYTES).decode("utf-8-sig", "replace").splitlines()
    names = (line.strip() for line in lines)
    return [name if "://" in name or name.startswith("/") else store.join(base, name) for name in names if name]
