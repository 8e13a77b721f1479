"""A disk without space is no candidate's failure: the unit stops loudly, nothing is lost, and the next run goes on."""

from __future__ import annotations

import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.fetch.http import HttpOptions
from tests.crawl.crawling import leftovers
from tests.crawl.run_crawl import run_crawl
from tests.faults.bad_answer import sound
from tests.faults.feed_web import feed_web, feeds_of
from tests.faults.replies import body
from tests.faults.server import serve

ROOM_BYTES = 64 * 1024


@contextmanager
def little_room() -> Generator[None]:
    """Let no file grow over ROOM_BYTES: write() then fails half way, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_stops_the_unit_and_blames_no_candidate(tmp_path: Path) -> None:
    routes = feed_web(1, 4)
    routes["host0.test"]["/2.flac"] = body(sound(10.0), "audio/flac")
    with serve(routes) as web:
        options = HttpOptions(contact="+me", delay_s=0.0, pins=web.pins)
        with little_room(), pytest.raises(DataError, match=r"stage 'fetch' failed on 1 of 1 units .*File too large"):
            run_crawl(tmp_path, options, feeds_of(routes))
        assert not list((tmp_path / "artifacts" / "recording").glob("*/part-*"))
        assert leftovers(tmp_path / "blobs") == []
        rows = run_crawl(tmp_path, options, feeds_of(routes)).to_pylist()
    assert [row["status"] for row in rows] == ["ok"] * 4
    files = [item.path for item in web.log if item.path != "/2.flac"]
    assert len(files) == len(set(files))
