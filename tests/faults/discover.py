"""Bad places to discover from: unreachable, garbled and endless feeds, pages and sitemaps, and the rows each gives."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tests.faults.feeds import AUDIO, TEXT, rss
from tests.faults.pages import html
from tests.faults.replies import after, body, in_turn, redirect, reset, status, text
from tests.faults.server import Reply

RSS, HTML, XML = "application/rss+xml", "text/html", "application/xml"
MAX_PAGES = 5
GOOD = body(rss().encode(), RSS)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadPlace:
    """Replies of one host by path, and the rows that discovery from `path` gives, by status."""

    name: str
    replies: Mapping[str, Reply]
    rows: Mapping[str, int]
    source: Literal["feed", "page", "sitemap"] = "feed"
    path: str = "/feed"
    requests: int | None = None

    @property
    def host(self) -> str:
        """The host that serves it."""
        return f"{self.name.replace('_', '-')}.test"

    @property
    def url(self) -> str:
        """The place to discover from."""
        return f"http://{self.host}{self.path}"


def _feed(name: str, reply: Reply, rows: dict[str, int], requests: int | None = None) -> BadPlace:
    return BadPlace(name=name, replies={"/feed": reply}, rows=rows, requests=requests)


def _paged(number: int, following: str) -> str:
    link = f'<link xmlns="http://www.w3.org/2005/Atom" rel="next" href="{following}"/>'
    return rss(f"{link}<item><guid>{number}</guid>{AUDIO.replace('a.', f'{number}.')}{TEXT}</item>")


def _page(number: int, following: str) -> Reply:
    return body(_paged(number, following).encode(), RSS)


def _sitemap(*pages: str) -> bytes:
    return f"<urlset>{''.join(f'<url><loc>{page}</loc></url>' for page in pages)}</urlset>".encode()


INDEX = b"<sitemapindex><sitemap><loc>/feed</loc></sitemap></sitemapindex>"
PLAYER = body(html().encode(), HTML)
ENDLESS = {"/feed": _page(0, "/1")} | {f"/{page}": _page(page, f"/{page + 1}") for page in range(1, 2 * MAX_PAGES)}
DISCOVER = (
    _feed("feed_500", status(500), {"http_500": 1}, 2),
    _feed("feed_404", status(404), {"http_404": 1}, 1),
    _feed("feed_silence", after(60, GOOD), {"timeout": 1}),
    _feed("feed_reset", reset(), {"network": 1}),
    _feed("feed_better_later", in_turn(status(503), GOOD), {"ok": 1}, 2),
    _feed("feed_garbage", body(bytes(range(256)) * 64, RSS), {"not_a_feed": 1}),
    _feed("feed_html", body(html().encode(), HTML), {"not_a_feed": 1}),
    _feed("feed_empty", body(b"", RSS), {"empty": 1}),
    _feed("feed_gzip_bomb", body(gzip.compress(bytes(64 << 20)), RSS, "Content-Encoding: gzip"), {"bomb": 1}),
    _feed("feed_redirect_loop", redirect("/feed"), {"too_many_redirects": 1}),
    _feed("feed_redirect_file", redirect("file:///etc/passwd"), {"bad_url": 1}),
    BadPlace(name="feed_endless_pages", replies=ENDLESS, rows={"ok": MAX_PAGES, "over_limit": 1}),
    BadPlace(name="feed_page_loop", replies={"/feed": _page(0, "/1"), "/1": _page(1, "/feed")}, rows={"ok": 2}),
    _feed("feed_page_of_itself", _page(0, "/feed"), {"ok": 1}, 1),
    BadPlace(
        name="feed_disallowed",
        replies={"/feed": GOOD, "/robots.txt": text("User-agent: *\nDisallow: /feed\n")},
        rows={"robots": 1},
        requests=0,
    ),
    BadPlace(
        name="sitemap_gzip_bomb",
        source="sitemap",
        replies={"/feed": body(gzip.compress(bytes(64 << 20)), "application/gzip")},
        rows={"too_large": 1},
    ),
    BadPlace(name="sitemap_of_itself", source="sitemap", replies={"/feed": body(INDEX, XML)}, rows={"no_audio": 1}),
    BadPlace(
        name="sitemap_endless",
        source="sitemap",
        replies={"/feed": body(_sitemap(*(f"/{page}" for page in range(50_000))), XML)}
        | {f"/{page}": PLAYER for page in range(MAX_PAGES)},
        rows={"ok": MAX_PAGES, "over_limit": 1},
    ),
    BadPlace(
        name="sitemap_elsewhere",
        source="sitemap",
        replies={
            "/feed": body(_sitemap("http://other.test/talk", "file:///etc/passwd", "/talk"), XML),
            "/talk": PLAYER,
        },
        rows={"ok": 1},
    ),
    BadPlace(
        name="page_broken_halfway",
        source="page",
        replies={"/feed": reset(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + html().encode())},
        rows={"truncated": 1},
    ),
)
