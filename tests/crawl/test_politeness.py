"""Every site is treated as it asks, judged from its own log alone."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pipeline.fetch.answers import Answer
from pipeline.fetch.crawl import Ask, open_crawl
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.pace import HostBudgets
from tests.faults import judge
from tests.faults.politeness import DELAY_S, SITES, Site
from tests.faults.server import Exchange, Routes, Web, serve


def routes() -> Routes:
    found: Routes = defaultdict(dict)
    for site in SITES:
        for place, reply in site.replies.items():
            host, _, path = place.partition("/")
            found[host][f"/{path}"] = reply
    return dict(found)


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Web, dict[str, Answer]]:
    """Ask for everything at once."""
    urls = [url for site in SITES for url in site.urls]
    with serve(routes()) as web:
        answers = asyncio.run(ask([urls], web, tmp_path_factory.mktemp("blobs")))
    return web, dict(zip(urls, answers, strict=True))


async def ask(shares: Sequence[Sequence[str]], web: Web, folder: Path) -> list[Answer]:
    """Ask from crawls that know nothing of each other but the sites' budgets, each for its share."""
    options = HttpOptions(contact="+me", delay_s=DELAY_S, timeout_s=2.0, attempts=3, pins=web.pins)
    budgets, gets = HostBudgets(), list[Awaitable[Answer]]()
    async with AsyncExitStack() as stack:
        for urls in shares:
            crawl = await stack.enter_async_context(open_crawl(options, str(folder), budgets=budgets))
            gets += [crawl.get(Ask(url=url, kind="audio")) for url in urls]
        return await asyncio.gather(*gets)


def log_of(site: Site, web: Web) -> list[Exchange]:
    hosts = {url.split("/")[2] for url in site.urls}
    return [item for item in web.log if item.host in hosts]


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_a_site_is_treated_as_it_asks(crawled: tuple[Web, dict[str, Answer]], site: Site) -> None:
    web, answers = crawled
    log = log_of(site, web)
    assert tuple(answers[url].status for url in site.urls) == site.statuses
    assert judge.violations(log, DELAY_S) == []
    assert log[-1].started_s - log[0].started_s >= site.min_s * judge.SLACK


def test_every_request_says_who_asks_and_brings_no_cookie(crawled: tuple[Web, dict[str, Answer]]) -> None:
    web, _ = crawled
    assert {item.headers["user-agent"] for item in web.log} == {HttpOptions(contact="+me").user_agent}
    assert not any("cookie" in item.headers or "authorization" in item.headers for item in web.log)


def test_crawls_that_share_budgets_share_a_sites_turns(tmp_path: Path) -> None:
    site = SITES[0]
    with serve(routes()) as web:
        answers = asyncio.run(ask([site.urls[::2], site.urls[1::2]], web, tmp_path))
    assert {answer.status for answer in answers} == {"ok"}
    assert judge.too_fast(web.log, DELAY_S) == judge.at_once(web.log) == judge.disallowed(web.log) == []
