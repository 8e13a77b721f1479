"""Discovery over HTTP: a small web of feeds, pages and a sitemap, served on the loopback, becomes candidates."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline import store
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.read import PageReader
from pipeline.sources.discover import Discover, Row, seed_parts
from pipeline.sources.feed import FeedSource
from pipeline.sources.found import Source
from pipeline.sources.page import PageSource
from pipeline.sources.sitemap import SitemapSource
from pipeline.stage import Context
from tests.faults.feeds import rss
from tests.faults.pages import html

NEXT = '<link xmlns="http://www.w3.org/2005/Atom" rel="next" href="two.xml"/>'
EPISODE = '{"@type": "AudioObject", "contentUrl": "e.mp3", "transcript": "Hi"}'
LIST = '<opml><body><outline xmlUrl="one.xml"/><outline xmlUrl="gone.xml"/><outline xmlUrl="page.xml"/></body></opml>'
SITEMAP = "<urlset><url><loc>/talk</loc></url><url><loc>/bare</loc></url></urlset>"


def item(name: str) -> str:
    return f'<item><enclosure url="{name}.mp3"/><podcast:transcript url="{name}.vtt" type="text/vtt"/></item>'


RSS, HTML = "application/rss+xml", "text/html"
WEB: Mapping[str, tuple[str, bytes]] = {
    "/feeds/all.opml": ("text/x-opml", LIST.encode()),
    "/feeds/one.xml": (RSS, rss(item("1") + NEXT).encode()),
    "/feeds/two.xml": (RSS, rss(item("2")).encode("utf-16")),
    "/feeds/page.xml": (HTML, html().encode()),
    "/talk": (HTML, html(f'<script type="application/ld+json">{EPISODE}</script>').encode()),
    "/bare": (HTML, html("").encode()),
    "/sitemap.xml.gz": ("application/gzip", gzip.compress(SITEMAP.encode())),
    "/robots.txt": ("text/plain", b"User-agent: *\nDisallow: /private\nSitemap: /sitemap.xml.gz\n"),
}


@pytest.fixture
def web() -> Iterator[tuple[str, list[str]]]:
    """Serve the documents of WEB; yields the origin and the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            kind, body = WEB.get(self.path, ("", b""))
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def discovered(source: Source, folder: Path) -> list[Row]:
    reader = PageReader(HttpOptions(allow_private=True, delay_s=0.0))
    context = Context(blobs_uri=str(folder), output_uris={}, input_fingerprints={})
    with reader.open(str(folder)) as read:
        parts = seed_parts(source, read)
    tables = [table for part in parts for table in Discover(source, reader)({"seed": part}, context)["found"]]
    return [row for table in tables for row in table.to_pylist()]


def test_a_list_of_feeds_becomes_candidates_and_each_document_is_asked_for_once(
    web: tuple[str, list[str]], tmp_path: Path
) -> None:
    origin, asked = web
    rows = discovered(FeedSource(root=f"{origin}/feeds/all.opml"), tmp_path)
    assert [(row["status"], row["audio_url"], row["text_url"]) for row in rows] == [
        ("http_404", "", None),
        ("ok", f"{origin}/feeds/1.mp3", f"{origin}/feeds/1.vtt"),
        ("ok", f"{origin}/feeds/2.mp3", f"{origin}/feeds/2.vtt"),
        ("not_a_feed", "", None),
    ]
    assert sorted(path for path in asked if path.startswith("/feeds/") and "all" not in path) == [
        "/feeds/gone.xml",
        "/feeds/one.xml",
        "/feeds/page.xml",
        "/feeds/two.xml",
    ]
    assert len({row["candidate_id"] for row in rows}) == 4


def test_a_page_becomes_a_candidate_whose_transcript_is_stored(web: tuple[str, list[str]], tmp_path: Path) -> None:
    origin, _ = web
    [row] = discovered(PageSource(root=f"{origin}/talk"), tmp_path)
    digest = row["text_url"].removeprefix(store.BLOB_SCHEME)
    assert (row["audio_url"], store.read_bytes(store.blob_uri(str(tmp_path), digest))) == (f"{origin}/e.mp3", b"Hi")


def test_a_sites_robots_txt_leads_to_its_pages(web: tuple[str, list[str]], tmp_path: Path) -> None:
    origin, _ = web
    rows = discovered(SitemapSource(root=f"{origin}/robots.txt"), tmp_path)
    assert [(row["status"], row["page_url"]) for row in rows] == [
        ("ok", f"{origin}/talk"),
        ("no_audio", f"{origin}/bare"),
    ]
