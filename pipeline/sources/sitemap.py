"""Sitemaps: the pages they list are read for audio, with what the video and news extensions say of them.

`root` is a sitemap (address or file: index, urlset or lines of addresses, gz too), or a robots.txt that names some.
Only pages and sitemaps of the sitemap's own site are followed, `max_pages` and `max_sitemaps` of them. A video that
has expired, is live or asks for a subscription becomes a row that says so. lastmod and priority are not believed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from protego import Protego

from pipeline.errors import UserError
from pipeline.hosts import site_of
from pipeline.page import Read
from pipeline.sources.address import absolute
from pipeline.sources.found import Found, Seed, Unreadable, read_ok, unreadable
from pipeline.sources.page import found_in, stated
from pipeline.sources.places import place
from pipeline.sources.sitemap_document import Listed, read_sitemap
from pipeline.sources.xml import NotXml, TooLarge

MAX_DEPTH = 3  # an index should hold no index, but some do


@dataclass(frozen=True, slots=True, kw_only=True)
class SitemapSource:
    """The site whose sitemap is at `root`; `language` and `license` fill what a page does not state."""

    root: str
    name: str = "sitemap"
    language: str | None = None
    license: str | None = None
    captioned_only: bool = True
    max_pages: int = 1_000
    max_sitemaps: int = 100
    candidates_per_unit: int | None = None

    def seeds(self, read: Read) -> list[Seed]:
        """Return the sitemap, or those a robots.txt names."""
        if not self.root.endswith("/robots.txt"):
            return [place(self, self.root, read)]
        page = read(self.root)
        named = Protego.parse(page.body.decode("utf-8", "replace")).sitemaps if page.status == "ok" else ()
        urls = [url for address in named if (url := absolute(page.url, address))]
        if not urls:
            raise UserError(
                f"source.root {self.root!r} names no sitemap (reading it gave: {page.status}); "
                "expected lines 'Sitemap: https://...'; give the sitemap's own address"
            )
        return [place(self, url, read) for url in urls]

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List the recordings of the site's pages, in the order of its sitemaps."""
        num_pages = 0
        for listed in self._listed(seed, read):
            if isinstance(listed, Found):
                yield listed
                continue
            if num_pages == self.max_pages:
                yield _limit(f"{seed}#more", f"more than max_pages={self.max_pages} pages")
                return
            num_pages += 1
            yield from self._page(listed, read)

    def _listed(self, seed: str, read: Read) -> Iterator[Listed | Found]:
        """Walk the tree of sitemaps breadth first, and yield pages; nothing is read or yielded twice."""
        pending, known = deque([(seed, 0)]), {seed}
        num_sitemaps = 0
        while pending:
            url, depth = pending.popleft()
            if num_sitemaps == self.max_sitemaps or depth > MAX_DEPTH:
                yield _limit(url, f"more than max_sitemaps={self.max_sitemaps}, or deeper than {MAX_DEPTH}")
                return
            num_sitemaps += 1
            for entry in _entries(url, read):
                if isinstance(entry, Listed) and not _is_new(entry, seed, known):
                    continue
                if isinstance(entry, Listed) and entry.is_sitemap:
                    pending.append((entry.url, depth + 1))
                else:
                    yield entry

    def _page(self, listed: Listed, read: Read) -> Iterator[Found]:
        for item in listed.withheld:
            place = f"{listed.url}#{item.url or item.status}"
            yield Found(page_url=place, title=listed.title, status=item.status, status_detail=item.detail)
        if listed.withheld and not listed.videos:
            return
        default = replace(stated(listed.lang or self.language, self.license), title=listed.title)
        try:
            found = list(found_in(read_ok(read, listed.url), default, self.captioned_only, listed.videos))
        except Unreadable as error:
            yield unreadable(error, listed.url)
            return
        withheld = {item.url for item in listed.withheld}
        yield from (item for item in found if not item.audio_url or item.audio_url not in withheld)
        if not found:
            yield Found(page_url=listed.url, status="no_audio", status_detail="the page has no audio")


def _is_new(entry: Listed, seed: str, known: set[str]) -> bool:
    is_new = entry.url not in known and site_of(seed) in ("", site_of(entry.url))
    known.add(entry.url)
    return is_new


def _entries(url: str, read: Read) -> Iterator[Listed | Found]:
    page = read(url)
    if page.status != "ok":
        yield unreadable(Unreadable(page), url)
        return
    try:
        yield from read_sitemap(page, datetime.now(UTC))
    except NotXml as error:
        status = "too_large" if isinstance(error, TooLarge) else "not_a_sitemap"
        yield Found(
            page_url=page.url,
            status=status,
            status_detail=str(error),
            opt_out_evidence="\n".join(page.opt_outs) or None,
        )


def _limit(place: str, detail: str) -> Found:
    return Found(page_url=place, status="over_limit", status_detail=detail)
