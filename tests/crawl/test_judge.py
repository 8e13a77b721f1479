"""The judge of politeness finds each planted breach, and none in a log that keeps the rules."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.faults import judge
from tests.faults.judge import http_date
from tests.faults.replies import head
from tests.faults.server import Exchange

START_S = 1_800_000_000.0
OPEN = b"User-agent: *\nAllow: /\n"
CLOSED = b"User-agent: *\nDisallow: /private\nCrawl-delay: 3\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An exchange as a table tells it: when, where, and what was answered."""

    at: float
    path: str
    took: float = 0.1
    thought: float = 0.0
    host: str = "a.test"
    sent: bytes = head(200) + b"sound"
    asked: tuple[str, ...] = ()
    is_whole: bool = True


def log(*told: Told) -> list[Exchange]:
    return [
        Exchange(
            host=item.host,
            path=item.path,
            method="GET",
            headers=dict.fromkeys(item.asked, "x"),
            started_s=START_S + item.at,
            first_byte_s=START_S + item.at + item.thought,
            ended_s=START_S + item.at + item.took,
            sent=bytearray(item.sent),
            is_whole=item.is_whole,
        )
        for item in told
    ]


def robots(body: bytes = OPEN, at: float = 0.0, host: str = "a.test") -> Told:
    return Told(at=at, path="/robots.txt", sent=head(200) + body, host=host)


def test_a_polite_log_has_no_breach() -> None:
    polite = log(
        robots(),
        robots(host="b.test"),
        Told(at=1.2, path="/1"),
        Told(at=1.2, path="/1", host="b.test"),
        Told(at=2.4, path="/2", sent=head(503, "Retry-After: 5")),
        Told(at=7.6, path="/2"),
        Told(at=8.8, path="/1", asked=("if-none-match",)),
    )
    assert judge.violations(polite, delay_s=1.0) == []


@pytest.mark.parametrize(
    ("breach", "told"),
    [
        ("too fast: a.test/1 0.900 s after /robots.txt, not 1.000", [robots(), Told(at=1.0, path="/1")]),
        ("too fast: a.test/1 2.000 s after /robots.txt, not 3.000", [robots(CLOSED), Told(at=2.1, path="/1")]),
        (
            "too fast: a.test/2 2.000 s after /1, not 2.500",
            [robots(), Told(at=2, path="/1", took=0.5, thought=0.5), Told(at=4.5, path="/2")],
        ),
        (
            "too fast: b.site.test/robots.txt 0.400 s after /robots.txt, not 1.000",
            [robots(host="a.site.test"), robots(host="b.site.test", at=0.5)],
        ),
        ("at once: a.test/1 while /robots.txt is answered", [robots(), Told(at=0.05, path="/1")]),
        ("robots: a.test/1 before robots.txt has answered", [Told(at=0, path="/1"), robots(at=1.2)]),
        ("robots: a.test/private/1 is disallowed", [robots(CLOSED), Told(at=4, path="/private/1")]),
        (
            "robots: a.test/1 is disallowed",
            [Told(at=0, path="/robots.txt", sent=head(503)), Told(at=2, path="/1")],
        ),
        (
            "robots: a.test/1 is disallowed",
            [Told(at=0, path="/robots.txt", sent=head(403)), Told(at=2, path="/1")],
        ),
        (
            "robots: a.test/private/1 is disallowed",
            [
                Told(at=0, path="/robots.txt", sent=head(301, "Location: /r.txt")),
                Told(at=2, path="/r.txt", sent=head(200) + CLOSED),
                Told(at=6, path="/private/1"),
            ],
        ),
        ("robots: a.test asked 2 times", [robots(), robots(at=2)]),
        ("again: a.test/1 was sent whole before", [robots(), Told(at=2, path="/1"), Told(at=4, path="/1")]),
        (
            "retry-after: a.test/2 3.000 s after being asked to wait 9.000",
            [robots(), Told(at=2, path="/1", sent=head(429, "Retry-After: 9")), Told(at=5.1, path="/2")],
        ),
    ],
)
def test_a_planted_breach_is_found(breach: str, told: list[Told]) -> None:
    assert breach in judge.violations(log(*told), delay_s=1.0)


def test_a_date_to_come_is_waited_for() -> None:
    [exchange] = log(Told(at=0, path="/1", took=0, sent=head(503, f"Retry-After: {http_date(60)}")))
    exchange.ended_s = 0.0
    assert judge.retry_after_s(exchange) == judge.MAX_RETRY_AFTER_S
    [exchange] = log(Told(at=0, path="/1", took=0, sent=head(503, "Retry-After: Fri, 15 Jan 2027 08:00:09 GMT")))
    assert judge.retry_after_s(exchange) == 9.0


def test_a_sites_time_is_its_pauses_and_its_answers() -> None:
    told = log(robots(), Told(at=1.2, path="/1"), Told(at=9.0, path="/2"), robots(host="b.test"))
    assert judge.demanded_s(told, delay_s=1.0) == pytest.approx(2.3, abs=1e-4)
