"""Every address is asked for once, as its host allows, and every answer is remembered whole."""

from __future__ import annotations

import asyncio
import hashlib
import json
import multiprocessing
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import audio, store
from pipeline.errors import UserError
from pipeline.fetch import answers
from pipeline.fetch.answers import Answer
from pipeline.fetch.crawl import Ask, open_crawl
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.pace import Clock

OPTIONS: dict[str, Any] = {
    "allow_private": True,
    "delay_s": 0.0,
    "timeout_s": 2.0,
    "contact": "+https://sotto.test/bot",
}
FLAC = audio.to_flac(np.full(audio.SAMPLE_RATE, 0.1, dtype=np.float32))
LONG = FLAC + bytes(200_000)


def ask_all(folder: Path, asks: Sequence[Ask], clock: Clock | None = None, **settings: Any) -> list[Answer]:
    words = {name: settings.pop(name, "") for name in ("refresh", "retry")}

    async def run() -> list[Answer]:
        async with open_crawl(HttpOptions(**(OPTIONS | settings)), str(folder), clock=clock, **words) as crawl:
            return [await crawl.get(ask) for ask in asks]

    return asyncio.run(run())


def ask(folder: Path, url: str, kind: str = "audio", clock: Clock | None = None, **settings: Any) -> Answer:
    extra = {name: settings.pop(name) for name in ("validator", "integrity") if name in settings}
    [answer] = ask_all(folder, [Ask(url=url, kind=kind, **extra)], clock, **settings)  # pyright: ignore[reportArgumentType]
    return answer


def body_of(folder: Path, answer: Answer) -> bytes:
    assert answer.sha256 is not None, answer
    return store.read_bytes(store.blob_uri(str(folder), answer.sha256))


def test_an_answer_says_all_there_is_to_say(web, tmp_path: Path) -> None:
    web.answers |= {
        "/robots.txt": (200, {}, b"User-agent: *\nAllow: /\n"),
        "/old": (302, {"Location": "/a#t=5"}, b""),
        "/a": (200, {"ETag": '"1"', "Last-Modified": "Mon, 02 Nov 2026 10:00:00 GMT", "Content-Type": "audio/x"}, FLAC),
    }
    answer = ask(tmp_path, f"{web.base}/old")
    assert (answer.status, answer.http_status, answer.final_url) == ("ok", 200, f"{web.base}/a")
    assert (answer.etag, answer.last_modified) == ('"1"', "Mon, 02 Nov 2026 10:00:00 GMT")
    assert (answer.content_type, answer.num_bytes) == ("audio/x", len(FLAC))
    assert answer.user_agent == "sotto/0.1 (+https://sotto.test/bot)"
    assert answer.sha256 == hashlib.sha256(FLAC).hexdigest()
    assert [(hop.url, hop.http_status) for hop in answer.hops] == [(f"{web.base}/old", 302), (f"{web.base}/a", 200)]
    robots = hashlib.sha256(b"User-agent: *\nAllow: /\n").hexdigest()
    for hop in answer.hops:
        assert (hop.robots_verdict, hop.robots_sha256, hop.peer) == (
            "allowed",
            robots,
            web.base.removeprefix("http://"),
        )
        assert hop.robots_checked_ms is not None and 0 <= hop.started_ms - hop.robots_checked_ms < 60_000
    assert answers.load(str(tmp_path), f"{web.base}/old") == answer
    assert {headers["User-Agent"] for headers in web.headers} == {answer.user_agent}


def test_what_is_stored_is_not_asked_for_again(web, tmp_path: Path) -> None:
    web.answers["/a"] = (200, {}, FLAC)
    first = ask(tmp_path, f"{web.base}/a")
    num_asked = len(web.log)
    assert ask(tmp_path, f"{web.base}/a") == first
    assert len(web.log) == num_asked
    store.remove(store.blob_uri(str(tmp_path), str(first.sha256)))
    assert body_of(tmp_path, ask(tmp_path, f"{web.base}/a")) == FLAC


def test_a_refresh_asks_with_the_validators_and_keeps_what_has_not_changed(web, tmp_path: Path) -> None:
    web.answers["/a"] = (200, {"ETag": '"1"', "Content-Type": "audio/flac"}, FLAC)
    first = ask(tmp_path, f"{web.base}/a")
    second = ask(tmp_path, f"{web.base}/a", refresh="again")
    assert web.headers[-1]["If-None-Match"] == '"1"'
    assert (second.status, second.sha256, second.content_type) == ("ok", first.sha256, "audio/flac")
    assert (second.hops[-1].http_status, second.http_status) == (304, 200)
    web.answers["/a"] = (200, {"ETag": '"2"'}, LONG)
    assert body_of(tmp_path, ask(tmp_path, f"{web.base}/a", refresh="and again")) == LONG


def test_a_failed_refresh_keeps_what_the_next_one_needs(web, tmp_path: Path) -> None:
    web.answers["/a"] = (200, {"ETag": '"1"'}, FLAC)
    ask(tmp_path, f"{web.base}/a")
    web.answers["/a"] = (503, {"ETag": '"error"'}, b"")
    failed = ask(tmp_path, f"{web.base}/a", refresh="again", attempts=1)
    assert (failed.status, failed.is_retryable) == ("http_503", True)
    web.answers["/a"] = (200, {"ETag": '"1"'}, FLAC)
    assert ask(tmp_path, f"{web.base}/a", refresh="again", retry="now").status == "ok"
    assert web.headers[-1]["If-None-Match"] == '"1"'


@pytest.mark.parametrize(("code", "is_asked_again"), [(503, True), (404, False)])
def test_a_retry_asks_again_only_for_what_may_pass(web, tmp_path: Path, code: int, is_asked_again: bool) -> None:
    web.answers["/a"] = (code, {}, b"")
    for retry in ("", "", "monday"):
        answer = ask(tmp_path, f"{web.base}/a", attempts=1, retry=retry)
        assert (answer.status, answer.is_retryable) == (f"http_{code}", is_asked_again)
    assert web.asked == ["/a"] * (2 if is_asked_again else 1)


def test_a_raised_limit_asks_again_for_what_was_too_large_and_for_nothing_else(web, tmp_path: Path) -> None:
    web.answers |= {"/a": (200, {}, FLAC), "/long": (200, {}, LONG)}
    asks = [Ask(url=f"{web.base}{path}", kind="audio") for path in ("/a", "/long")]
    assert [answer.status for answer in ask_all(tmp_path, asks, max_bytes=100_000)] == ["ok", "too_large"]
    assert [answer.status for answer in ask_all(tmp_path, asks)] == ["ok", "ok"]
    assert web.asked == ["/a", "/long", "/long"]


def test_an_address_asked_for_by_many_at_once_is_fetched_once(web, tmp_path: Path) -> None:
    web.answers["/a"] = (200, {}, FLAC)

    async def run() -> set[Answer]:
        async with open_crawl(HttpOptions(**OPTIONS), str(tmp_path)) as crawl:
            return set(await asyncio.gather(*(crawl.get(Ask(url=f"{web.base}/a", kind="audio")) for _ in range(20))))

    assert len(asyncio.run(run())) == 1
    assert web.asked == ["/a"]


def test_robots_is_kept_for_a_day_and_its_bytes_for_good(web, tmp_path: Path) -> None:
    web.answers |= {"/robots.txt": (200, {}, b"# nothing"), "/a": (200, {}, FLAC)}
    now = [1_000_000.0]
    clock = Clock(wall_s=lambda: now[0])
    for refresh, later_s in (("1", 0.0), ("2", 23.9 * 3600), ("3", 0.2 * 3600)):
        now[0] += later_s
        ask(tmp_path, f"{web.base}/a", clock=clock, refresh=refresh)
    assert web.log.count("/robots.txt") == web.log.count("/ai.txt") == 2
    assert (tmp_path / hashlib.sha256(b"# nothing").hexdigest()[:2]).is_dir()


def test_robots_of_the_host_redirected_to_is_asked_too(web, tmp_path: Path) -> None:
    other = web.base.replace("127.0.0.1", "localhost")
    web.answers |= {
        "/here": (302, {"Location": f"{other}/there"}, b""),
        "/robots.txt": [(404, {}, b""), (200, {}, b"User-agent: *\nDisallow: /there")],
    }
    answer = ask(tmp_path, f"{web.base}/here")
    assert (answer.status, answer.hops[-1].url, answer.hops[-1].peer) == ("robots", f"{other}/there", None)
    assert web.asked == ["/here"]


@pytest.mark.parametrize(
    ("path", "body", "evidence"),
    [
        ("/robots.txt", b"User-agent: CCBot\nDisallow: /a", "User-agent: CCBot Disallow: /a"),
        ("/robots.txt", b"User-agent: *\nContent-Signal: ai-train=no", "Content-Signal: ai-train=no"),
        ("/ai.txt", b"User-Agent: *\nDisallow: *.flac", "Disallow: *.flac"),
        (
            "/.well-known/tdmrep.json",
            b'[{"location": "/", "tdm-reservation": 1}]',
            '{"location": "/", "tdm-reservation": 1}',
        ),
    ],
)
def test_a_sites_refusal_is_honoured_and_quoted(web, tmp_path: Path, path: str, body: bytes, evidence: str) -> None:
    web.answers |= {path: (200, {}, body), "/a.flac": (200, {}, FLAC)}
    answer = ask(tmp_path, f"{web.base}/a.flac")
    assert (answer.status, answer.opt_outs) == ("opted_out", (f"{web.base}{path}: {evidence}",))
    assert web.asked == []


def test_ai_agents_need_not_be_heeded_and_others_still_are(web, tmp_path: Path) -> None:
    web.answers |= {"/robots.txt": (200, {}, b"User-agent: CCBot\nDisallow: /"), "/a": (200, {}, FLAC)}
    assert ask(tmp_path, f"{web.base}/a").status == "opted_out"
    assert ask(tmp_path, f"{web.base}/a", honour_ai_agents=False).status == "ok"


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        (
            (200, {}, b'<rsl><content><license><prohibits type="usage">all</prohibits></license></content></rsl>'),
            "opted_out",
        ),
        ((200, {}, b"<rsl><content><license/></content></rsl>"), "ok"),
        ((404, {}, b""), "opted_out"),
        ((500, {}, b""), "robots_unreachable"),
    ],
)
def test_rsl_terms_are_read_and_those_not_to_be_had_refuse(web, tmp_path: Path, terms: Any, status: str) -> None:
    web.answers |= {"/robots.txt": (200, {}, b"License: /rsl.xml"), "/rsl.xml": terms, "/a": (200, {}, FLAC)}
    assert ask(tmp_path, f"{web.base}/a", attempts=1).status == status


def test_files_for_crawlers_that_robots_keeps_from_us_are_not_asked_for(web, tmp_path: Path) -> None:
    web.answers |= {
        "/robots.txt": (200, {}, b"User-agent: *\nDisallow: /ai.txt\nDisallow: /.well-known/"),
        "/a": (200, {}, FLAC),
    }
    assert ask(tmp_path, f"{web.base}/a").status == "ok"
    assert web.log == ["/robots.txt", "/a"]


def test_a_refusing_header_on_any_hop_ends_it_without_the_body(web, tmp_path: Path) -> None:
    web.answers |= {
        "/old": (302, {"Location": "/a", "X-Robots-Tag": "noai"}, b""),
        "/page": (200, {"TDM-Reservation": "1"}, b"<html>"),
    }
    first, second = ask_all(
        tmp_path, [Ask(url=f"{web.base}/old", kind="audio"), Ask(url=f"{web.base}/page", kind="page")]
    )
    assert (first.status, first.opt_outs) == ("opted_out", ("X-Robots-Tag: noai",))
    assert (second.status, second.opt_outs) == ("opted_out", ("TDM-Reservation: 1",))
    assert web.asked == ["/old", "/page"]


def test_a_local_file_is_taken_in_and_one_that_is_not_there_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(FLAC)
    (tmp_path / "a.html").write_bytes(b"<html>")
    names = {"a.flac": "ok", "a.html": "wrong_content", "gone.flac": "missing_file"}
    got = [ask(tmp_path / "blobs", str(tmp_path / name)) for name in names]
    assert [answer.status for answer in got] == list(names.values())
    assert body_of(tmp_path / "blobs", got[0]) == FLAC
    assert ask(tmp_path / "blobs", "ftp://a.test/a").status == "bad_url"


def test_a_local_file_with_a_validator_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(FLAC)
    first = ask(tmp_path / "blobs", str(path), validator="1")
    path.write_bytes(LONG)
    assert ask(tmp_path / "blobs", str(path), validator="1") == first
    assert ask(tmp_path / "blobs", str(path), validator="2").num_bytes == len(LONG)


def test_a_foreign_host_on_the_way_needs_a_contact(web, tmp_path: Path) -> None:
    web.answers["/a"] = (302, {"Location": "http://theirs.test/"}, b"")
    place = web.base.removeprefix("http://")
    with pytest.raises(UserError, match=r"host 'theirs.test' would be fetched from without a contact"):
        ask(tmp_path, "http://mine.test/a", contact="", allow_private=False, pins={"mine.test": place})


def fetch_and_die(folder: Path, url: str) -> None:
    ask(folder, url, min_bytes_per_s=0)


def test_a_killed_download_goes_on_where_it_broke_off(web, tmp_path: Path) -> None:
    half = len(LONG) // 2
    web.stalls["/a"] = released = threading.Event()
    web.answers["/a"] = (200, {"ETag": '"1"', "Content-Length": str(len(LONG))}, LONG[:half])
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply_async(fetch_and_die, (tmp_path, f"{web.base}/a"))
        while sum(path.stat().st_size for path in tmp_path.glob("spool/*.part")) < half - 65_536:
            asyncio.run(asyncio.sleep(0.01))
        pool.terminate()
    released.set()
    [part] = tmp_path.glob("spool/*.part")
    kept = part.read_bytes()
    rest = f"bytes {len(kept)}-{len(LONG) - 1}/{len(LONG)}"
    web.answers["/a"] = (206, {"ETag": '"1"', "Content-Range": rest}, LONG[len(kept) :])
    assert body_of(tmp_path, ask(tmp_path, f"{web.base}/a")) == LONG
    assert (web.headers[-1]["Range"], web.headers[-1]["If-Range"]) == (f"bytes={len(kept)}-", '"1"')
    assert list(tmp_path.glob("spool/*")) == []


def test_a_kept_beginning_that_has_changed_meanwhile_is_dropped(web, tmp_path: Path) -> None:
    web.answers["/a"] = (200, {"ETag": '"1"', "Content-Length": str(len(LONG) + 1)}, LONG)
    assert ask(tmp_path, f"{web.base}/a", attempts=1).status == "truncated"
    assert len(list(tmp_path.glob("spool/*"))) == 2
    web.answers["/a"] = (200, {"ETag": '"2"'}, FLAC)
    assert body_of(tmp_path, ask(tmp_path, f"{web.base}/a", retry="now")) == FLAC
    assert list(tmp_path.glob("spool/*")) == []


def test_an_answer_file_cut_short_counts_as_none(web, tmp_path: Path) -> None:
    web.answers["/a"] = (200, {}, FLAC)
    ask(tmp_path, f"{web.base}/a")
    [path] = tmp_path.glob("by-url/*.json")
    for content in (b"", path.read_bytes()[:50], json.dumps({"url": "x"}).encode()):
        path.write_bytes(content)
        assert answers.load(str(tmp_path), f"{web.base}/a") is None
