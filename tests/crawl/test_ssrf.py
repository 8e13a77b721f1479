"""No spelling of an inside address, whoever names it, makes the crawler connect there."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from pipeline import tables
from pipeline.fetch.crawl import Ask, open_crawl
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.read import PageReader
from pipeline.fetch.stage import FetchConfig, fetch_stage
from pipeline.schema import CANDIDATE, SEED
from pipeline.sources.discover import Discover, Row
from pipeline.sources.feed import FeedSource
from pipeline.sources.found import Source
from pipeline.sources.listing import ListingSource
from pipeline.stage import Context
from tests.crawl.crawling import polite
from tests.faults.bad_answer import sound
from tests.faults.replies import body, redirect
from tests.faults.server import Routes, Web, serve
from tests.faults.spellings import SPELLINGS, lying_resolver

HOME = "home.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a crawl is told: every inside address by the name of its spelling, and the web it may visit."""

    inside: Mapping[str, str]
    web: Web
    folder: Path

    @property
    def options(self) -> HttpOptions:
        return polite(self.web)

    @property
    def context(self) -> Context:
        return Context(blobs_uri=str(self.folder), output_uris={}, input_fingerprints={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The status each spelling ended with, and what was heard and tried of connections."""

    statuses: Mapping[str, str]
    connected: Sequence[tuple[Any, ...]]
    num_heard: int


def as_audio(visit: Visit) -> dict[str, str]:
    rows = fetch(visit, [_candidate(name, audio_url=url) for name, url in visit.inside.items()])
    return {row["candidate_id"]: row["status"] for row in rows}


def as_text(visit: Visit) -> dict[str, str]:
    good = f"http://{HOME}/good.flac"
    rows = fetch(visit, [_candidate(name, audio_url=good, text_url=url) for name, url in visit.inside.items()])
    assert {row["status"] for row in rows} == {"ok"}
    return {row["candidate_id"]: row["text_status"] for row in rows}


def as_redirect(visit: Visit) -> dict[str, str]:
    visit.web.routes[HOME] |= {f"/to/{name}": redirect(url) for name, url in visit.inside.items()}
    return ask(visit, {name: f"http://{HOME}/to/{name}" for name in visit.inside})


def as_robots_redirect(visit: Visit) -> dict[str, str]:
    hosts = {name: f"{name.replace('_', '-')}.robots.test" for name in visit.inside}
    good = body(sound(), "audio/flac")
    for name, url in visit.inside.items():
        visit.web.routes[hosts[name]] = {"/robots.txt": redirect(url), "/a": good}
    return ask(visit, {name: f"http://{host}/a" for name, host in hosts.items()})


def as_place(visit: Visit) -> dict[str, str]:
    outlines = "".join(f"<outline xmlUrl={quoteattr(url)}/>" for url in visit.inside.values())
    visit.web.routes[HOME]["/all.opml"] = body(f"<opml><body>{outlines}</body></opml>".encode(), "text/x-opml")
    source = FeedSource(root=f"http://{HOME}/all.opml")
    with PageReader(visit.options).open(str(visit.folder)) as read:
        places = {seed.url: seed.url for seed in source.seeds(read)}
    assert len(places) > len(visit.inside) / 2
    names = {url: name for name, url in visit.inside.items()}
    return {
        names.get(str(row["seed_url"]), str(row["seed_url"])): str(row["status"])
        for row in discover(visit, source, places)
    }


def as_listed(visit: Visit) -> dict[str, str]:
    lines = [json.dumps({"audio_url": url, "title": name}) for name, url in visit.inside.items()]
    visit.web.routes[HOME]["/list.jsonl"] = body("\n".join(lines).encode(), "text/plain")
    place = f"http://{HOME}/list.jsonl"
    listed = discover(visit, ListingSource(root=place), {"list": place})
    titles = {row["candidate_id"]: row["title"] for row in listed}
    return {titles[row["candidate_id"]]: row["status"] for row in fetch(visit, listed)}


ENTRIES: Mapping[str, Callable[[Visit], dict[str, str]]] = {
    "audio": as_audio,
    "text": as_text,
    "redirect": as_redirect,
    "robots_redirect": as_robots_redirect,
    "place": as_place,
    "listed": as_listed,
}


def fetch(visit: Visit, rows: list[Row]) -> list[Row]:
    stage = fetch_stage(FetchConfig(http=visit.options))
    return stage.run({"candidate": tables.from_rows(rows, CANDIDATE)}, visit.context)["recording"][0].to_pylist()


def discover(visit: Visit, source: Source, places: Mapping[str, str]) -> list[Row]:
    seeds = [{"seed_id": name, "source": source.name, "url": url} for name, url in places.items()]
    inputs = {"seed": tables.from_rows([{"validator": None} | seed for seed in seeds], SEED)}
    return Discover(source, PageReader(visit.options))(inputs, visit.context)["found"][0].to_pylist()


def ask(visit: Visit, urls: Mapping[str, str]) -> dict[str, str]:
    async def run() -> list[str]:
        async with open_crawl(visit.options, str(visit.folder)) as crawl:
            answers = await asyncio.gather(*(crawl.get(Ask(url=url, kind="audio")) for url in urls.values()))
        return [answer.status for answer in answers]

    return dict(zip(urls, asyncio.run(run()), strict=True))


@contextmanager
def canary() -> Generator[tuple[int, Callable[[], int]]]:
    """Listen at every loopback address, IPv4 and IPv6; yields the port and how many connections were made."""
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    listener.setblocking(False)
    yield listener.getsockname()[1], lambda: _accepted(listener)
    listener.close()


@contextmanager
def watched(allowed: set[tuple[str, int]]) -> Generator[list[tuple[Any, ...]]]:
    """Note every address that is connected to but for the allowed ones; none of those is really connected to."""
    tried: list[tuple[Any, ...]] = []
    with pytest.MonkeyPatch.context() as patch:
        connect = socket.socket.connect

        def noting(self: socket.socket, address: Any) -> None:
            if self.type & socket.SOCK_STREAM and address[:2] not in allowed:
                tried.append(address)
                raise OSError(f"{address} is not reachable")
            connect(self, address)

        patch.setattr(socket.socket, "connect", noting)
        patch.setattr(socket, "getaddrinfo", lying_resolver())
        yield tried


@pytest.fixture(scope="module", params=ENTRIES)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    routes: Routes = {HOME: {"/good.flac": body(sound(), "audio/flac")}}
    routes |= {f"{name.replace('_', '-')}.robots.test": {} for name in SPELLINGS}
    with canary() as (port, num_heard), serve(routes) as web:
        inside = {name: url.replace("{port}", str(port)) for name, url in SPELLINGS.items()}
        with watched(set(web.ports.items())) as tried:
            statuses = ENTRIES[request.param](Visit(inside=inside, web=web, folder=tmp_path_factory.mktemp("blobs")))
        return Seen(statuses=statuses, connected=tried, num_heard=num_heard())


PUBLIC_FIRST = {"name_that_turns", "name_of_both"}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_inside_address_gives_nothing(seen: Seen, spelling: str) -> None:
    status = seen.statuses.get(spelling, "not followed")
    refused = {"blocked_address", "bad_url", "robots_unreachable", "host_unreachable", "not followed"}
    assert status in refused | ({"network"} if spelling in PUBLIC_FIRST else set())


def test_no_inside_address_gives_anything_under_another_name(seen: Seen) -> None:
    assert "ok" not in seen.statuses.values()


def test_nothing_inside_is_connected_to(seen: Seen) -> None:
    assert seen.num_heard == 0
    assert {address[0] for address in seen.connected} <= {"93.184.216.34"}
    assert {address[1] for address in seen.connected} <= {80, 443, 8080}


def test_the_canary_hears_and_the_watch_sees() -> None:
    with canary() as (port, num_heard):
        for address in ("127.0.0.1", "127.0.0.99", "::1"):
            socket.create_connection((address, port)).close()
        assert num_heard() == 3
        with watched(set()) as tried, pytest.raises(OSError, match="not reachable"):
            socket.create_connection(("127.0.0.1", port))
        assert tried == [("127.0.0.1", port)]


def _accepted(listener: socket.socket) -> int:
    number = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return number
        number += 1


def _candidate(name: str, **values: Any) -> Row:
    stated = {"candidate_id": name, "page_url": f"http://{HOME}/", "status": "ok", "is_retryable": False}
    return dict.fromkeys(CANDIDATE.names) | stated | values
