"""Refusals are found verbatim, in every place they are made, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from pipeline import optouts

RULES = """\
User-agent: *
Disallow: /private
Content-Signal: search=yes, ai-train=no
Content-Usage: /free/ train-ai=y
Content-Usage: train-ai=n

User-agent: GPTBot
User-agent: CCBot
Disallow: /
Allow: /open$
"""
SIGNAL = "Content-Signal: search=yes, ai-train=no"
RSL = '<rsl xmlns="https://rslstandard.org/rsl"><content url="{url}"><license>{terms}</license></content></rsl>'


@pytest.mark.parametrize(
    ("html", "found"),
    [
        (b'<meta name="robots" content="noai, noimageai">', ['<meta name="robots" content="noai, noimageai">']),
        (b"<META content=noai name=ROBOTS>", ["<META content=noai name=ROBOTS>"]),
        (b"<meta name='sotto' content='noai'>", ["<meta name='sotto' content='noai'>"]),
        (b'<meta name="tdm-reservation" content="1">', ['<meta name="tdm-reservation" content="1">']),
        ('\ufeff<meta name="robots" content="noai">'.encode("utf-16-le"), ['<meta name="robots" content="noai">']),
        (b'<meta name="robots" content="noindex">', []),
        (b'<meta name="googlebot" content="noai">', []),
        (b'<meta name="tdm-reservation" content="0">', []),
        (b"<meta " * 1000, []),
    ],
)
def test_refusing_tags_are_found_however_they_are_written(html: bytes, found: list[str]) -> None:
    assert optouts.in_html(html) == found


@pytest.mark.parametrize(
    ("name", "value", "is_refusal"),
    [
        ("X-Robots-Tag", "noai", True),
        ("x-robots-tag", "noindex, nofollow", True),
        ("X-Robots-Tag", "sotto: noai", True),
        ("X-Robots-Tag", "unavailable_after: 25 Jun 2030 15:00:00 PST, noai", True),
        ("X-Robots-Tag", "googlebot: noindex, noai", False),
        ("X-Robots-Tag", "nofollow", False),
        ("TDM-Reservation", "1", True),
        ("TDM-Reservation", "0", False),
        ("Content-Usage", "train-ai=n;note=x", True),
        ("Content-Usage", "train-ai=y, search=n", False),
        ("Content-Signal", "search=yes, ai-train=no", True),
        ("Content-Type", "noai", False),
    ],
)
def test_refusing_headers_are_told_from_those_for_others(name: str, value: str, is_refusal: bool) -> None:
    assert optouts.in_headers([("Server", "x"), (name, value)]) == ([f"{name}: {value}"] if is_refusal else [])


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (
            "/a",
            ["User-agent: CCBot Disallow: /", "User-agent: GPTBot Disallow: /", SIGNAL, "Content-Usage: train-ai=n"],
        ),
        ("/free/a", ["User-agent: CCBot Disallow: /", "User-agent: GPTBot Disallow: /", SIGNAL]),
        ("/open", [SIGNAL, "Content-Usage: train-ai=n"]),
        ("/private/a", [SIGNAL, "Content-Usage: train-ai=n"]),
    ],
)
def test_robots_refuses_training_by_agents_and_by_preferences_of_the_longest_path(path: str, found: list[str]) -> None:
    assert optouts.in_robots(RULES, path) == found


def test_agents_need_not_be_heeded() -> None:
    assert optouts.in_robots(RULES, "/a", ()) == [SIGNAL, "Content-Usage: train-ai=n"]


def test_a_group_of_our_own_hides_the_preferences_for_everybody() -> None:
    assert optouts.in_robots(RULES + "\nUser-agent: Sotto\nAllow: /\n", "/open") == []
    assert optouts.in_robots("Content-Usage: train-ai=n\n\nUser-agent: Sotto\nAllow: /", "/") != []


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ("User-Agent: *\nDisallow: *.mp3", "/shows/a.mp3?x=1", ["Disallow: *.mp3"]),
        ("User-Agent: *\nDisallow: *.mp3\nAllow: /free/*.mp3", "/free/a.mp3", []),
        ("User-Agent: *\nDisallow: /a*b$", "/axxb", ["Disallow: /a*b$"]),
        ("User-Agent: *\nDisallow: /a*b$", "/axxbc", []),
        ("User-Agent: *\nDisallow:", "/a", []),
        ("<!DOCTYPE html><title>Not found</title>", "/a", []),
    ],
)
def test_ai_txt_refuses_by_its_longest_pattern(text: str, path: str, found: list[str]) -> None:
    assert optouts.in_ai_txt(text, path) == found


def test_the_first_location_of_tdmrep_that_matches_decides() -> None:
    body = b'[{"location": "/free/*", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]'
    assert optouts.in_tdmrep(body, "/a") == ['{"location": "/", "tdm-reservation": 1}']
    assert optouts.in_tdmrep(body, "/free/a") == []
    assert optouts.in_tdmrep(b"not json", "/a") == optouts.in_tdmrep(b"[" * 100_000, "/a") == []


@pytest.mark.parametrize(
    ("terms", "is_refusal"),
    [
        ('<prohibits type="usage">ai-train</prohibits>', True),
        ('<prohibits type="usage">search, all</prohibits>', True),
        ('<prohibits type="geo">US</prohibits>', False),
        ('<payment type="purchase"/>', True),
        ('<payment type="attribution"/>', False),
        ('<permits type="usage">search</permits>', True),
        ('<permits type="usage">search ai-train</permits>', False),
    ],
)
def test_rsl_terms_refuse_by_what_they_forbid_sell_or_leave_out(terms: str, is_refusal: bool) -> None:
    assert bool(optouts.in_rsl(RSL.format(url="/", terms=terms).encode())) == is_refusal


def test_rsl_terms_hold_for_their_content() -> None:
    body = RSL.format(url="https://a.test/paid/*", terms='<payment type="crawl"/>').encode()
    assert optouts.in_rsl(body, "/paid/a") == ['<payment xmlns="https://rslstandard.org/rsl" type="crawl"/>']
    assert optouts.in_rsl(body, "/free") == []
    assert optouts.in_rsl(b"<!DOCTYPE rsl>" + body) == optouts.in_rsl(b"\0") == []


def test_robots_names_terms_in_any_group() -> None:
    text = "License: https://a.test/one.xml\nUser-agent: x\n license : /two.xml\n"
    assert optouts.rsl_links(text) == ["https://a.test/one.xml", "/two.xml"]
