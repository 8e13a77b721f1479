"""A crawl killed at any moment, run again, ends in the same table and asks for no finished file again."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.fetch.http import HttpOptions
from pipeline.schema import RUN_TIMES
from tests.crawl.run_crawl import run_crawl
from tests.faults.bad_answer import sound
from tests.faults.feed_web import ETAG, feed_web, feeds_of
from tests.faults.replies import paced
from tests.faults.server import Web, serve

NUM_HOSTS, NUM_ITEMS = 4, 8
NUM_FILES = NUM_HOSTS * NUM_ITEMS * 2
START_S = 30.0
FILES = (".flac", ".vtt")
KILL_AFTER = (1, 14, 30, 60)  # files sent, by all lives together


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Crawl without an interruption."""
    routes = feed_web(NUM_HOSTS, NUM_ITEMS)
    with serve(routes) as web:
        return run_crawl(
            tmp_path_factory.mktemp("whole"), HttpOptions(contact="+me", delay_s=0.0, pins=web.pins), feeds_of(routes)
        )


def test_a_killed_crawl_resumes_without_asking_for_finished_files(whole: pa.Table, tmp_path: Path) -> None:
    routes = feed_web(NUM_HOSTS, NUM_ITEMS, think_s=0.03)
    finished: list[set[str]] = []
    asked: list[int] = []
    with serve(routes) as web:
        options = HttpOptions(contact="+me", delay_s=0.0, pins=web.pins)
        for number in KILL_AFTER:
            kill_when(partial(have_come, web, number), tmp_path, options, feeds_of(routes))
            finished.append(finished_urls(tmp_path))
            asked.append(len(web.log))
        rows = run_crawl(tmp_path, options, feeds_of(routes))
    for urls, number in zip(finished, asked, strict=True):
        assert not urls & {f"http://{item.host}{item.path}" for item in web.log[number:]}
    assert sorted(finished, key=len) == finished
    assert 0 < len(finished[1]) < len(finished[-1]) < NUM_FILES
    assert comparable(rows) == comparable(whole)


def test_a_crawl_killed_in_the_middle_of_a_file_goes_on_from_there(tmp_path: Path) -> None:
    routes = feed_web(1, 1)
    [host], long = routes, sound(40.0)
    routes[host]["/0.flac"] = paced(long, ETAG, pause_s=0.05)
    with serve(routes) as web:
        options = HttpOptions(contact="+me", delay_s=0.0, pins=web.pins)
        half = partial(are_bytes_sent, web, host, len(long) // 2)
        kill_when(half, tmp_path, options, feeds_of(routes))
        [row] = run_crawl(tmp_path, options, feeds_of(routes)).to_pylist()
        first, second = web.asked(host, "/0.flac")
    assert (row["status"], row["audio_bytes"]) == ("ok", len(long))
    assert (first.status, second.status) == (200, 206)
    assert second.num_bytes < len(long) * 0.75


def kill_when(is_time: Callable[[], bool], folder: Path, options: HttpOptions, feeds: Sequence[str]) -> None:
    """Start a crawl in a process of its own, and kill it."""
    lives = multiprocessing.get_context("forkserver")
    lives.set_forkserver_preload(["tests.crawl.run_crawl"])
    life = lives.Process(target=run_crawl, args=(folder, options, feeds))
    life.start()
    deadline_s = time.monotonic() + START_S
    while not is_time():
        assert life.is_alive(), f"the crawl ended by itself, with {life.exitcode}"
        assert time.monotonic() < deadline_s, "the crawl does not get anywhere"
        time.sleep(0.001)
    life.kill()
    life.join()
    assert life.exitcode == -signal.SIGKILL
    time.sleep(0.1)  # the server still reads what the dead had sent


def have_come(web: Web, number: int) -> bool:
    """Tell whether so many files have been sent, to all lives together."""
    return sum(item.is_whole and item.path.endswith(FILES) for item in web.log) >= number


def are_bytes_sent(web: Web, host: str, number: int) -> bool:
    """Tell whether so much of the one file has been sent."""
    return any(item.num_bytes >= number for item in web.asked(host, "/0.flac"))


def finished_urls(folder: Path) -> set[str]:
    """Return the addresses whose bodies a crawl has stored."""
    answers = [json.loads(path.read_bytes()) for path in (folder / "blobs" / "by-url").glob("*.json")]
    return {answer["url"] for answer in answers if answer["status"] == "ok" and answer["url"].endswith(FILES)}


def comparable(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows without what differs between any two runs: the times, and the address of the server."""
    return table.drop_columns([name for name in table.column_names if name in RUN_TIMES | {"peer"}]).to_pylist()
