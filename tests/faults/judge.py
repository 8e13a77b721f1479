"""Judge a crawl's politeness from the log of the server it visited, and from nothing the crawler says of itself.

A site is a registrable domain: the last two labels of the names used here. Every rule returns what broke it, in words.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from protego import Protego

from tests.faults.server import Exchange

Log = Sequence[Exchange]
SLACK = 0.95  # gap >= required - 5 %
ROBOTS = "/robots.txt"
ROBOTS_BYTES = 500 * 1024  # RFC 9309, section 2.5
PATIENCE = 5.0  # times the last response's time
MAX_PATIENCE_S = 30.0
MAX_RETRY_AFTER_S = 86_400.0
SETTLED = {200, *range(400, 500)} - {408, 425, 429}  # others are answers for the moment
AGENT = "sotto"


def violations(log: Log, delay_s: float) -> list[str]:
    """Return every breach of every rule; `delay_s` is the pause the crawler was told to keep at least."""
    rules: tuple[Callable[[Log], list[str]], ...] = (
        lambda log: too_fast(log, delay_s),
        at_once,
        disallowed,
        robots_again,
        fetched_again,
        retried_too_soon,
    )
    return [breach for rule in rules for breach in rule(log)]


def too_fast(log: Log, delay_s: float) -> list[str]:
    """No request sooner after an answer than delay, Crawl-delay and five response times ask for."""
    found: list[str] = []
    for exchanges in by_site(log).values():
        for earlier, later in zip(exchanges, exchanges[1:], strict=False):
            required, gap = required_s(log, earlier, later, delay_s), later.started_s - earlier.ended_s
            if gap < required * SLACK:
                found.append(f"too fast: {_name(later)} {gap:.3f} s after {earlier.path}, not {required:.3f}")
    return found


def at_once(log: Log) -> list[str]:
    """One request at a time per site."""
    return [
        f"at once: {_name(later)} while {earlier.path} is answered"
        for exchanges in by_site(log).values()
        for earlier, later in zip(exchanges, exchanges[1:], strict=False)
        if later.started_s < earlier.ended_s
    ]


def disallowed(log: Log) -> list[str]:
    """Nothing before robots.txt has answered, and nothing it disallows."""
    found: list[str] = []
    for number, exchange in enumerate(log):
        if exchange.path == ROBOTS or _is_robots_target(exchange, log[:number]):
            continue
        robots = robots_of(log[:number], exchange.host)
        if robots is None:
            found.append(f"robots: {_name(exchange)} before robots.txt has answered")
        elif not robots.can_fetch(f"http://{exchange.host}{exchange.path}", AGENT):
            found.append(f"robots: {_name(exchange)} is disallowed")
    return found


def robots_again(log: Log) -> list[str]:
    """A robots.txt that has answered is not asked for again."""
    settled = [item for item in log if item.path == ROBOTS and item.is_whole and item.status in SETTLED]
    hosts = [item.host for item in settled]
    return [f"robots: {host} asked {hosts.count(host)} times" for host in sorted(set(hosts)) if hosts.count(host) > 1]


def fetched_again(log: Log) -> list[str]:
    """A file that was sent whole is asked for again only with its validator."""
    finished: set[tuple[str, str]] = set()
    found: list[str] = []
    for item in log:
        place = (item.host, item.path)
        is_conditional = {"if-none-match", "if-modified-since"} & set(item.headers)
        if place in finished and not is_conditional and item.path != ROBOTS:
            found.append(f"again: {_name(item)} was sent whole before")
        if item.is_whole and item.status in (200, 206):
            finished.add(place)
    return found


def retried_too_soon(log: Log) -> list[str]:
    """The whole site waits as long as Retry-After says."""
    found: list[str] = []
    for exchanges in by_site(log).values():
        for earlier, later in zip(exchanges, exchanges[1:], strict=False):
            asked = retry_after_s(earlier)
            if later.started_s < earlier.ended_s + asked * SLACK:
                gap = later.started_s - earlier.ended_s
                found.append(f"retry-after: {_name(later)} {gap:.3f} s after being asked to wait {asked:.3f}")
    return found


def required_s(log: Log, earlier: Exchange, later: Exchange, delay_s: float) -> float:
    """Return the pause owed between two exchanges of a site."""
    before = log[: next(number for number, item in enumerate(log) if item is later)]
    robots = [robots_of(before, host) for host in (earlier.host, later.host)]
    asked = [float(item.crawl_delay(AGENT) or 0) for item in robots if item is not None]
    answering = (earlier.first_byte_s or earlier.ended_s) - earlier.started_s
    patience = min(PATIENCE * answering, MAX_PATIENCE_S) if delay_s else 0.0
    return max(delay_s, patience, *asked, 0.0)


def demanded_s(log: Log, delay_s: float) -> float:
    """Return how long politeness alone makes the slowest site take: its pauses and its answers."""
    totals = [0.0]
    for exchanges in by_site(log).values():
        pauses = [required_s(log, one, two, delay_s) for one, two in zip(exchanges, exchanges[1:], strict=False)]
        totals.append(sum(pauses) + sum(item.ended_s - item.started_s for item in exchanges))
    return max(totals)


def by_site(log: Log) -> dict[str, list[Exchange]]:
    """Group a log by site, in order of time."""
    sites: dict[str, list[Exchange]] = defaultdict(list)
    for exchange in sorted(log, key=lambda item: item.started_s):
        sites[".".join(exchange.host.split(".")[-2:])].append(exchange)
    return sites


def robots_of(log: Log, host: str) -> Protego | None:
    """Return the rules a host has told, as RFC 9309 reads them: 4xx allows all, but 401 and 403 disallow, as 5xx do."""
    answer = _follow([item for item in log if item.is_whole], host)
    if answer is None or answer.status is None:
        return None
    if answer.status == 200:
        return Protego.parse(answer.body[:ROBOTS_BYTES].decode("utf-8", "replace"))
    is_open = 400 <= answer.status < 500 and answer.status not in (401, 403)
    return Protego.parse("" if is_open else "User-agent: *\nDisallow: /")


def retry_after_s(exchange: Exchange) -> float:
    """Return for how long an answer asked to be left alone; 0 where it did not ask."""
    stated = exchange.answered.get("retry-after", "")
    if not stated or exchange.status not in (301, 302, 303, 307, 308, 429, 503):
        return 0.0
    seconds = float(stated) if stated.isdigit() else parsedate_to_datetime(stated).timestamp() - exchange.ended_s
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def http_date(seconds_from_now: float) -> str:
    """Write a time to come as Retry-After may state it, in whole seconds."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds_from_now))


def _follow(answers: Log, host: str, path: str = ROBOTS, hops: int = 10) -> Exchange | None:
    """Find the last answer to a host's robots.txt, through the redirects it gave."""
    found = next((item for item in reversed(answers) if (item.host, item.path) == (host, path)), None)
    if found is None or "location" not in found.answered or not hops:
        return found
    target = urlsplit(urljoin(f"http://{host}{path}", found.answered["location"]))
    return _follow(answers, target.hostname or host, target.path, hops - 1)


def _is_robots_target(exchange: Exchange, before: Log) -> bool:
    """Tell whether an address was asked for because a robots.txt, or what it led to, pointed there."""
    pointers = [item for item in before if "location" in item.answered]
    targets = {ROBOTS}
    for item in pointers:
        if item.path in targets:
            targets.add(urlsplit(urljoin(f"http://{item.host}{item.path}", item.answered["location"])).path)
    return exchange.path in targets


def _name(exchange: Exchange) -> str:
    return f"{exchange.host}{exchange.path}"
