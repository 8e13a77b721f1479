"""Sites that ask for patience in every way there is, with what each must give and how long it takes at least."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.faults.bad_answer import sound
from tests.faults.judge import http_date
from tests.faults.replies import after, body, in_turn, redirect, reset, status, text
from tests.faults.server import Reply, Wire

DELAY_S = 0.1  # what the crawl is told to keep between requests to a site
FLAC = body(sound(0.2), "audio/flac")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Replies by address without its scheme; all but robots.txt are asked for at once, and give `statuses` in order."""

    name: str
    replies: Mapping[str, Reply]
    statuses: tuple[str, ...]
    min_s: float

    @property
    def urls(self) -> list[str]:
        """The addresses to ask for."""
        return [f"http://{place}" for place in self.replies if "robots" not in place and "hidden" not in place]


def asking_for(seconds: float) -> Reply:
    """Answer 429 with a date to come."""

    async def reply(wire: Wire) -> None:
        await status(429, f"Retry-After: {http_date(seconds)}")(wire)

    return reply


def _site(name: str, *replies: Reply, robots: Reply | None = None, min_s: float, bad: str = "") -> Site:
    host = f"{name.replace('_', '-')}.test"
    told = {f"{host}/robots.txt": robots} if robots else {}
    statuses = tuple(bad or "ok" for _ in replies)
    served = {f"{host}/{number}": reply for number, reply in enumerate(replies)}
    return Site(name=name, replies=told | served, statuses=statuses, min_s=min_s)


FAMILY = tuple(f"{name}.family.com" for name in "abc")
SITES = (
    _site("plain", *[FLAC] * 6, min_s=6 * DELAY_S),
    _site("crawl_delay", *[FLAC] * 4, robots=text("User-agent: *\nCrawl-delay: 0.5\n"), min_s=2.0),
    _site(
        "crawl_delay_of_ours",
        *[FLAC] * 3,
        robots=text("User-agent: sotto\nCrawl-delay: 0.6\n\nUser-agent: *\nCrawl-delay: 60\n"),
        min_s=1.8,
    ),
    _site("retry_after_seconds", in_turn(status(503, "Retry-After: 1"), FLAC), FLAC, FLAC, min_s=1.0),
    _site("retry_after_date", in_turn(asking_for(3.0), FLAC), FLAC, min_s=2.0),
    Site(
        name="retry_after_redirect",
        replies={
            "moved.test/0": redirect("/hidden", "Retry-After: 1"),
            "moved.test/hidden": FLAC,
            "moved.test/1": FLAC,
        },
        statuses=("ok", "ok"),
        min_s=1.0,
    ),
    _site("storm", *[in_turn(status(429), FLAC) for _ in range(4)], min_s=8 * DELAY_S),
    _site("thinks", *[after(0.15, FLAC)] * 3, min_s=2 * 5 * 0.15),
    _site("errors", *[status(404)] * 5, min_s=5 * DELAY_S, bad="http_404"),
    _site("resets", in_turn(reset(), FLAC), FLAC, in_turn(reset(), FLAC), min_s=5 * DELAY_S),
    _site("busy_at_first", *[FLAC] * 2, robots=in_turn(status(503, "Retry-After: 1"), text("")), min_s=1.0),
    Site(
        name="family",
        replies={f"{host}/{number}": FLAC for number in range(2) for host in FAMILY},
        statuses=("ok",) * 6,
        min_s=8 * DELAY_S,
    ),
)
