"""Bad HTTP gets its verdict, and leaves nothing behind."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from tests.crawl.crawling import Crawled, crawl, leftovers
from tests.faults import judge
from tests.faults.bad_answer import BadAnswer
from tests.faults.http import HTTP

MAX_PEAK_BYTES = 32 << 20  # crawl and server together, for bombs of twice that


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    return crawl(HTTP, tmp_path_factory.mktemp("blobs"), min_bytes_per_s=1000)


@pytest.mark.parametrize("case", HTTP, ids=lambda case: case.name)
def test_bad_http_gets_its_verdict(crawled: Crawled, case: BadAnswer) -> None:
    crawled.check(case)


def test_nothing_half_is_left_and_nothing_was_asked_that_robots_disallows(crawled: Crawled) -> None:
    assert leftovers(Path(crawled.blobs_uri)) == []
    assert judge.disallowed(crawled.web.log) == judge.robots_again(crawled.web.log) == []


def test_bombs_and_endless_answers_cost_little_memory(tmp_path: Path) -> None:
    hungry = [case for case in HTTP if case.status in ("bomb", "too_large", "network", "too_many_redirects")]
    tracemalloc.start()
    crawled = crawl(hungry, tmp_path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < MAX_PEAK_BYTES
    assert all(crawled.given(case) is None for case in hungry)
