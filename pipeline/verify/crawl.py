"""The crawl: every stored answer is judged again, request by request, by the robots.txt that was stored with it.

What a fetch left of each address it asked is JSON in `by-url` beside the blobs; see pipeline/fetch/answers.py. Whether
an address was a public one is judged by whoever calls.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from typing import Any
from urllib.parse import urlsplit

from protego import Protego

from pipeline import store
from pipeline.hosts import host_of, is_web
from pipeline.verify.corpus import Corpus
from pipeline.verify.verdict import Tally, Verdict

BY_URL = "by-url"
ALLOWED = "allowed"
ROBOTS_PATH = "/robots.txt"
DAY_MS = 24 * 3_600_000
ROBOTS_IN_MEMORY = 4096
Answer = dict[str, Any]
Hop = dict[str, Any]


def no_request_was_refused(corpus: Corpus) -> Verdict:
    """I7: robots.txt allowed every request, and had been read less than a day before it."""
    tally = Tally("I7", "robots.txt, read less than a day before, allowed every request")
    robots = StoredRobots(corpus.blobs_uri)
    for name, answer in answers(corpus.blobs_uri):
        if not tally.check("url" in answer, f"{BY_URL}/{name} is no answer"):
            continue
        token = (answer.get("user_agent") or "").partition("/")[0]
        hops = [hop for hop in answer.get("hops", ()) if is_web(hop["url"])]
        if answer.get("http_status") is not None and is_web(answer["url"]):
            tally.check(bool(hops), f"{answer['url']} was asked for, and nothing says how")
        for hop in hops:
            fault = _fault(hop, token, robots)
            tally.check(fault is None, f"{hop['url']} {fault}")
            if hop.get("robots_verdict") == ALLOWED and hop.get("robots_sha256") is None:
                tally.note("requests to hosts without a robots.txt")
    return tally.verdict()


def no_private_address_was_asked(
    corpus: Corpus, is_public: Callable[[str], bool], private_hosts: Collection[str]
) -> Verdict:
    """I8: every connection went to a public address, but for hosts that are the user's own."""
    tally = Tally("I8", "every connection went to a public address")
    for _, answer in answers(corpus.blobs_uri):
        for hop in answer.get("hops", ()):
            peer = hop.get("peer")
            if peer is None:
                continue
            address = peer.rpartition(":")[0].strip("[]")
            if host_of(hop["url"]) in private_hosts and not is_public(address):
                tally.note("connections to your own private hosts")
            else:
                tally.check(is_public(address), f"{hop['url']} was asked of {peer}, no public address")
    return tally.verdict()


def answers(blobs_uri: str) -> Iterator[tuple[str, Answer]]:
    """Yield what is stored of every address asked, with the file's name; nothing of it where it is damaged."""
    folder = store.join(blobs_uri, BY_URL)
    for name in store.list_names(folder):
        if name.endswith(".json"):
            yield name, _parse(store.read_bytes(store.join(folder, name)))


def _parse(content: bytes) -> Answer:
    try:
        return json.loads(content)
    except ValueError:
        return {}


class StoredRobots:
    """The robots.txt files a crawl obeyed, parsed, the latest used in memory."""

    def __init__(self, blobs_uri: str) -> None:
        """Parse nothing yet."""
        self._blobs_uri = blobs_uri
        self._parsed: OrderedDict[str, Protego | None] = OrderedDict()

    def get(self, sha256: str) -> Protego | None:
        """Return a robots.txt by its hash; None when it is not stored."""
        if sha256 not in self._parsed:
            self._parsed[sha256] = self._parse(store.blob_uri(self._blobs_uri, sha256))
        self._parsed.move_to_end(sha256)
        if len(self._parsed) > ROBOTS_IN_MEMORY:
            self._parsed.popitem(last=False)
        return self._parsed[sha256]

    def _parse(self, uri: str) -> Protego | None:
        return Protego.parse(store.read_bytes(uri).decode("utf-8-sig", "replace")) if store.exists(uri) else None


def _fault(hop: Hop, token: str, robots: StoredRobots) -> str | None:
    """Say what is wrong with one request; None when nothing is, or when none was made."""
    if hop.get("http_status") is None and hop.get("peer") is None:
        return None
    verdict = hop.get("robots_verdict")
    if urlsplit(hop["url"]).path == ROBOTS_PATH and verdict is None:
        return None
    if verdict != ALLOWED:
        return f"was asked for with the verdict {verdict!r}"
    checked_ms = hop.get("robots_checked_ms")
    if checked_ms is None or not 0 <= hop["started_ms"] - checked_ms < DAY_MS:
        return f"was asked for at {hop['started_ms']} with a verdict of {checked_ms}; expected one of the day before"
    if hop.get("robots_sha256") is None:
        return None
    parsed = robots.get(hop["robots_sha256"])
    if parsed is None:
        return f"was asked for by a robots.txt {hop['robots_sha256']} that is not stored"
    return (
        None if parsed.can_fetch(hop["url"], token) else f"is disallowed to {token} by the robots.txt it was asked by"
    )
