"""Requests are allowed, bounded, retried where that helps, and their end is always a status."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.fetch.http import HttpOptions, Response, open_http

OPTIONS = HttpOptions(allow_private=True, delay_s=0.0, timeout_s=2.0, contact="+https://sotto.test/bot")
OK = (200, {"ETag": '"v1"'}, b"sound")


def get_one(url: str, options: HttpOptions) -> Response:
    async def run() -> Response:
        async with open_http(options) as http:
            return await http.get(url)

    return asyncio.run(run())


def test_a_body_arrives_with_its_validator_under_an_honest_name(web) -> None:
    web.answers["/a"] = OK
    got = get_one(f"{web.base}/a", OPTIONS)
    assert (got.status, got.body, got.etag, got.http_status) == ("ok", b"sound", '"v1"', 200)
    assert web.agents == {"sotto/0.1 (+https://sotto.test/bot)"}


def test_robots_is_asked_first_and_once(web) -> None:
    web.answers["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /private")
    web.answers["/private/a"] = OK
    assert get_one(f"{web.base}/private/a", OPTIONS).status == "robots"
    assert web.log == ["/robots.txt"]


@pytest.mark.parametrize(
    ("code", "status"),
    [(404, "ok"), (410, "ok"), (401, "robots"), (403, "robots"), (500, "robots_unreachable")],
)
def test_robots_failures_follow_rfc_9309_and_fail_closed(web, code: int, status: str) -> None:
    web.answers |= {"/robots.txt": (code, {}, b""), "/a": OK}
    assert get_one(f"{web.base}/a", OPTIONS).status == status


@pytest.mark.parametrize(("code", "tries"), [(503, 3), (429, 3), (404, 1), (403, 1), (451, 1)])
def test_only_what_may_pass_is_tried_again(web, code: int, tries: int) -> None:
    web.answers["/a"] = (code, {}, b"")
    got = get_one(f"{web.base}/a", OPTIONS)
    assert (got.status, got.is_retryable) == (f"http_{code}", tries > 1)
    assert web.log.count("/a") == tries


def test_a_second_answer_that_is_good_is_taken(web) -> None:
    web.answers["/a"] = [(503, {}, b""), OK]
    assert get_one(f"{web.base}/a", OPTIONS).status == "ok"


def test_a_body_shorter_than_declared_is_truncated_not_ok(web) -> None:
    web.answers["/a"] = (200, {"Content-Length": "999"}, b"short")
    got = get_one(f"{web.base}/a", OPTIONS)
    assert (got.status, got.is_retryable) == ("truncated", True)


def test_a_body_over_the_cap_is_dropped(web) -> None:
    web.answers["/a"] = (200, {}, b"x" * 5000)
    small = HttpOptions(allow_private=True, delay_s=0.0, max_bytes=1000)
    assert get_one(f"{web.base}/a", small).status == "too_large"


def test_redirects_are_followed_by_hand_and_bounded(web) -> None:
    web.answers |= {
        "/a": (302, {"Location": "/b"}, b""),
        "/b": OK,
        "/loop": (302, {"Location": "/loop"}, b""),
    }
    assert get_one(f"{web.base}/a", OPTIONS).status == "ok"
    assert get_one(f"{web.base}/loop", OPTIONS).status == "too_many_redirects"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://h/x", "http://user:pw@h/x", "data:,x"])
def test_a_redirect_out_of_the_web_is_refused(web, target: str) -> None:
    web.answers["/a"] = (302, {"Location": target}, b"")
    assert get_one(f"{web.base}/a", OPTIONS).status == "bad_url"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"])
def test_private_hosts_get_no_connection_unless_allowed(web, host: str) -> None:
    port = web.base.rsplit(":", 1)[1]
    got = get_one(f"http://{host}:{port}/a", HttpOptions(delay_s=0.0))
    assert got.status in ("robots_unreachable", "blocked_address", "bad_url")
    assert web.log == []


def test_nobody_listening_is_a_retryable_network_error() -> None:
    got = get_one("http://127.0.0.1:9/a", HttpOptions(allow_private=True, delay_s=0.0, attempts=1))
    assert (got.status, got.is_retryable) == ("robots_unreachable", True)
