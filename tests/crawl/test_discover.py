"""Bad places, feeds and pages, served over HTTP, give their rows: discovery ends, and loses nothing silently."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pipeline import tables
from pipeline.fetch.read import PageReader
from pipeline.schema import SEED
from pipeline.sources.discover import Discover, Row
from pipeline.sources.feed import FeedSource
from pipeline.sources.found import Source
from pipeline.sources.page import PageSource
from pipeline.sources.sitemap import SitemapSource
from pipeline.stage import Context
from tests.crawl.crawling import polite
from tests.faults.bad_input import BadInput
from tests.faults.discover import DISCOVER, MAX_PAGES, RSS, BadPlace
from tests.faults.feeds import FEEDS, rss
from tests.faults.pages import PAGES
from tests.faults.replies import body, in_turn, validated
from tests.faults.server import Routes, Web, serve

SOURCES: Mapping[str, Source] = {
    "feed": FeedSource(root="", max_pages=MAX_PAGES),
    "page": PageSource(root=""),
    "sitemap": SitemapSource(root="", max_pages=MAX_PAGES),
}


def delivered(kind: str, document: BadInput) -> BadPlace:
    """Serve a bad document over HTTP; an opt-out is then no different."""
    reply = body(document.make(), document.content_type)
    name = f"{kind}_{document.name}"
    return BadPlace(name=name, source=kind, replies={"/feed": reply}, rows=document.rows)  # pyright: ignore[reportArgumentType]


SLOW = {"items_100k"}  # 5 s of parsing, and no other over HTTP
DELIVERED = (
    *(delivered("feed", document) for document in FEEDS if document.name not in SLOW),
    *(delivered("page", document) for document in PAGES),
)
PLACES = (*DISCOVER, *DELIVERED)


def discover(kind: str, urls: Sequence[str], web: Web, folder: Path, refresh: str = "") -> list[Row]:
    reader = PageReader(polite(web), refresh)
    seeds = tables.from_rows([{"seed_id": url, "source": kind, "url": url, "validator": None} for url in urls], SEED)
    context = Context(blobs_uri=str(folder), output_uris={}, input_fingerprints={})
    [table] = Discover(SOURCES[kind], reader)({"seed": seeds}, context)["found"]
    return table.to_pylist()


@pytest.fixture(scope="module")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Web, Mapping[str, Sequence[Row]]]:
    found: dict[str, list[Row]] = defaultdict(list)
    routes: Routes = {place.host: dict(place.replies) for place in PLACES}
    with serve(routes) as web:
        for kind in SOURCES:
            urls = [place.url for place in PLACES if place.source == kind]
            for row in discover(kind, urls, web, tmp_path_factory.mktemp("blobs")):
                found[row["seed_url"]].append(row)
    return web, found


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_a_bad_place_gives_its_rows(discovered: tuple[Web, Mapping[str, Sequence[Row]]], place: BadPlace) -> None:
    web, found = discovered
    rows = found[place.url]
    assert Counter(row["status"] for row in rows) == place.rows, [row["status_detail"] for row in rows]
    if place.requests is not None:
        assert len(web.asked(place.host, place.path)) == place.requests


def test_an_unchanged_feed_is_not_sent_again_and_a_new_guid_makes_no_new_candidate(tmp_path: Path) -> None:
    old, new = rss(), rss().replace("<guid>1</guid>", "<guid>2</guid>")
    first, later = validated(old.encode(), RSS, '"1"'), validated(new.encode(), RSS, '"2"')
    with serve({"a.test": {"/feed": in_turn(first, first, later)}}) as web:
        runs = [discover("feed", ["http://a.test/feed"], web, tmp_path, refresh) for refresh in ("", "again", "later")]
        asked = web.asked("a.test", "/feed")
    assert [item.status for item in asked] == [200, 304, 200]
    assert [item.headers.get("if-none-match") for item in asked] == [None, '"1"', '"1"']
    assert [[row["guid"] for row in rows] for rows in runs] == [["1"], ["1"], ["2"]]
    assert len({row["candidate_id"] for rows in runs for row in rows}) == 1
