"""A well-behaved web: hosts with a feed each, whose items are short sounds with captions."""

from __future__ import annotations

from tests.faults.bad_answer import sound
from tests.faults.feeds import rss
from tests.faults.replies import after, body, text, validated
from tests.faults.server import Reply, Routes

ETAG = '"1"'
CAPTION = "WEBVTT\n\n00:00.000 --> 00:00.200\nHello {name}\n"


def feed_web(num_hosts: int, num_items: int, robots: str = "User-agent: *\nAllow: /\n", think_s: float = 0.0) -> Routes:
    """Make the hosts; each item of each host has bytes of its own."""
    return {_host(number): _routes(number, num_items, robots, think_s) for number in range(num_hosts)}


def feeds_of(routes: Routes) -> list[str]:
    """Return the addresses of the hosts' feeds."""
    return [f"http://{host}/feed.xml" for host in routes]


def _host(number: int) -> str:
    return f"host{number}.test"


def _routes(host: int, num_items: int, robots: str, think_s: float) -> dict[str, Reply]:
    items = [_item(item) for item in range(num_items)]
    files = {"/robots.txt": text(robots), "/feed.xml": body(rss("".join(items)).encode(), "application/rss+xml")}
    for item in range(num_items):
        words = CAPTION.format(name=f"{host}, {item}")
        files[f"/{item}.flac"] = after(think_s, validated(sound(0.2, seed=1000 * host + item), "audio/flac", ETAG))
        files[f"/{item}.vtt"] = after(think_s, validated(words.encode(), "text/vtt", ETAG))
    return files


def _item(number: int) -> str:
    transcript = f'<podcast:transcript url="{number}.vtt" type="text/vtt"/>'
    return f'<item><guid>{number}</guid><enclosure url="{number}.flac" type="audio/flac"/>{transcript}</item>'
