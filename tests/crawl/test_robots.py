"""Bad robots.txt are read as RFC 9309 says, and fail closed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pipeline.fetch.crawl import Ask, open_crawl
from pipeline.fetch.pace import Clock
from tests.crawl.crawling import Crawled, crawl, leftovers, polite
from tests.faults import judge
from tests.faults.bad_answer import BadAnswer, sound
from tests.faults.replies import body, in_turn, text
from tests.faults.robots import CLOSED, ROBOTS
from tests.faults.server import Web, serve

HOUR_S = 3600.0
NOW_S = 1_800_000_000.0


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    return crawl(ROBOTS, tmp_path_factory.mktemp("blobs"))


@pytest.mark.parametrize("case", ROBOTS, ids=lambda case: case.name)
def test_a_bad_robots_txt_gets_its_verdict(crawled: Crawled, case: BadAnswer) -> None:
    crawled.check(case)


def test_nothing_half_is_left_and_nothing_was_asked_that_robots_disallows(crawled: Crawled) -> None:
    assert leftovers(Path(crawled.blobs_uri)) == []
    assert judge.disallowed(crawled.web.log) == judge.robots_again(crawled.web.log) == []


def test_a_robots_txt_that_changes_is_obeyed_from_the_next_day_on(tmp_path: Path) -> None:
    routes = {"changes.test": {"/robots.txt": in_turn(text("User-agent: *\nAllow: /\n"), text(CLOSED))}}
    routes["changes.test"] |= {f"/a{hours}": body(sound(), "audio/flac") for hours in (0, 23, 25)}
    with serve(routes) as web:
        statuses = [asyncio.run(ask_later(web, hours, tmp_path)) for hours in (0, 23, 25)]
    assert statuses == ["ok", "ok", "robots"]
    assert len(web.asked("changes.test", "/robots.txt")) == 2


async def ask_later(web: Web, hours: int, folder: Path) -> str:
    """Ask for an address of its own, so many hours after the first."""
    clock = Clock(wall_s=lambda: NOW_S + hours * HOUR_S)
    async with open_crawl(polite(web), str(folder), clock=clock) as crawl:
        return (await crawl.get(Ask(url=f"http://changes.test/a{hours}", kind="audio"))).status
