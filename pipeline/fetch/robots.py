"""What an origin says to crawlers: robots.txt by RFC 9309, and the opt-outs of tdmrep.json, ai.txt and RSL terms.

Each file is asked for once and kept for a day beside the blobs, where every worker finds it; its bytes are a blob, so
that a verdict can be judged again. A file that cannot be reached refuses everything until it can.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from urllib.parse import urljoin

from protego import Protego

from pipeline import optouts, store
from pipeline.fetch.address import flaw_of, is_downgrade, origin_of, path_of
from pipeline.fetch.body import Incoming, Wanted
from pipeline.fetch.http import Client, Reply
from pipeline.fetch.pace import MAX_ASKED_S
from pipeline.hosts import site_of
from pipeline.ids import key_of
from pipeline.optouts import AI_AGENTS, PRODUCT

ROBOTS = "/robots.txt"
TDMREP = "/.well-known/tdmrep.json"
AI_TXT = "/ai.txt"
FOLDER = "notices"
MAX_BYTES = 512 << 10  # RFC 9309, section 2.5: at least 500 KiB; what is after it is not read
MAX_REDIRECTS = 10  # RFC 9309, section 2.3.1.2: at least five
MAX_TERMS = 4
MAX_KNOWN = 512  # notices in memory; the others are read from beside the blobs again
KEPT_S = 24 * 3600  # RFC 9309, section 2.4
ASK_AGAIN_S = 300  # for one that could not be reached
REFUSED_CODES = frozenset({401, 403})
UNREACHED_CODES = frozenset({408, 425, 429})  # 4xx that speak of the moment, not of the file
SETTLED = frozenset({"ok", "none", "refused"})
SPECIFIC = ("dns", "tls", "blocked_address", "host_")  # say more of a host than robots_unreachable

_PACKED = {"Accept-Encoding": "gzip, deflate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A file for crawlers: 'ok' with its bytes in a blob, 'none', 'refused', or why it could not be reached."""

    url: str
    status: str
    detail: str | None = None
    is_retryable: bool = False
    sha256: str | None = None
    checked_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether an address may be asked for; `status` is 'ok', or what its answer will say."""

    status: str = "ok"
    detail: str | None = None
    is_retryable: bool = False
    opt_outs: tuple[str, ...] = ()
    robots_sha256: str | None = None
    robots_checked_ms: int | None = None


class Notices:
    """The files for crawlers of every origin met, shared by whoever asks at the same time."""

    def __init__(self, client: Client, blobs_uri: str) -> None:
        """Ask through a client; know nothing yet."""
        self._client = client
        self._blobs_uri = blobs_uri
        self._known: OrderedDict[str, tuple[Notice, str]] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def judge(self, url: str) -> Verdict:
        """Say whether an address may be asked for: robots.txt first, then the opt-outs of its origin."""
        robots, text = await self._read(origin_of(url) + ROBOTS)
        verdict = _judge_robots(robots, text, url)
        if verdict.status != "ok":
            return verdict
        agents = AI_AGENTS if self._client.options.honour_ai_agents else ()
        found = _sourced(robots.url, optouts.in_robots(text, path_of(url), agents))
        unreached = None
        for notice, refusals in [*await self._site_files(url, text), *await self._terms(url, robots, text)]:
            found += _sourced(notice.url, refusals)
            if notice.is_retryable:
                unreached = notice
        if found:
            opt_outs = tuple(dict.fromkeys(found))
            return replace(verdict, status="opted_out", detail="\n".join(opt_outs), opt_outs=opt_outs)
        if unreached is not None:
            return replace(_unreached(unreached), robots_sha256=robots.sha256, robots_checked_ms=robots.checked_ms)
        return verdict

    async def _site_files(self, url: str, robots_text: str) -> list[tuple[Notice, list[str]]]:
        """Read tdmrep.json and ai.txt; one that robots.txt keeps from us can tell us nothing."""
        found: list[tuple[Notice, list[str]]] = []
        for place, judge in ((TDMREP, optouts.in_tdmrep), (AI_TXT, optouts.in_ai_txt)):
            address = origin_of(url) + place
            if robots_text and not _rules(robots_text).can_fetch(address, PRODUCT):
                continue
            notice, text = await self._read(address)
            # A site that leads what it does not have in circles has none.
            is_lost = notice.status == "too_many_redirects"
            if is_lost or not (text or notice.is_retryable):
                continue
            found.append((notice, judge(text, path_of(url))))
        return found

    async def _terms(self, url: str, robots: Notice, robots_text: str) -> list[tuple[Notice, list[str]]]:
        """Read the RSL terms robots.txt names; those that are not to be had refuse by being there."""
        found: list[tuple[Notice, list[str]]] = []
        for link in optouts.rsl_links(robots_text)[:MAX_TERMS]:
            notice, text = await self._read_elsewhere(urljoin(robots.url, link))
            is_settled = notice.status == "ok" or notice.is_retryable
            found.append((notice, optouts.in_rsl(text.encode(), path_of(url)) if is_settled else [f"License: {link}"]))
        return found

    async def _read_elsewhere(self, url: str) -> tuple[Notice, str]:
        """Read a file of any host, which its robots.txt has to allow."""
        flaw = flaw_of(url)
        if flaw is not None:
            return Notice(url=url, status="bad_url", detail=flaw), ""
        verdict = _judge_robots(*await self._read(origin_of(url) + ROBOTS), url)
        if verdict.status != "ok":
            return Notice(url=url, status=verdict.status, is_retryable=verdict.is_retryable), ""
        return await self._read(url)

    async def _read(self, url: str) -> tuple[Notice, str]:
        """Return a file with its text: from memory, from beside the blobs, or from its origin."""
        known = self._known.get(url)
        if known is not None and self._is_fresh(known[0]):
            self._known.move_to_end(url)
            return known
        async with self._locks.setdefault(url, asyncio.Lock()):
            known = self._known.get(url)
            if known is None or not self._is_fresh(known[0]):
                known = await asyncio.to_thread(self._stored, url) or await self._ask(url)
                self._known[url] = known
            self._pace(url, known[1])
        if len(self._known) > MAX_KNOWN:
            self._locks.pop(self._known.popitem(last=False)[0], None)
        return known

    def _stored(self, url: str) -> tuple[Notice, str] | None:
        try:
            notice = Notice(**json.loads(store.read_bytes(self._uri(url))))
            if not self._is_fresh(notice):
                return None
            body = store.read_bytes(store.blob_uri(self._blobs_uri, notice.sha256)) if notice.sha256 else b""
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return notice, text_of(body)

    async def _ask(self, url: str) -> tuple[Notice, str]:
        notice, body = await self._ask_once(url)
        for _ in range(1, self._client.options.attempts):
            if not notice.is_retryable or notice.status.startswith("host_"):
                break
            notice, body = await self._ask_once(url)
        if notice.status in SETTLED:
            await asyncio.to_thread(self._store, notice, body)
        return notice, text_of(body)

    async def _ask_once(self, url: str) -> tuple[Notice, bytes]:
        at = url
        for _ in range(MAX_REDIRECTS + 1):
            file = io.BytesIO()
            body = Incoming(file, Wanted(kind="text", max_bytes=MAX_BYTES, is_cut=True))
            reply = await self._client.exchange(at, _PACKED, body, self._settler(url, file))
            if reply.status != "redirect":
                return self._noticed(url, at, reply, file.getvalue()), file.getvalue()
            target = urljoin(at, reply.detail or "")
            flaw = flaw_of(target) or ("it is not https" if is_downgrade(at, target) else None)
            if flaw is not None:
                return self._notice(url, "bad_redirect", f"{at} leads to {target}: {flaw}"), b""
            at = target
        lost = self._notice(url, "too_many_redirects", f"more than {MAX_REDIRECTS}")
        return replace(lost, is_retryable=True), b""

    def _noticed(self, url: str, at: str, reply: Reply, body: bytes) -> Notice:
        code = reply.http_status or 0
        if reply.status in ("ok", "empty"):
            return replace(self._notice(url, "ok"), sha256=hashlib.sha256(body).hexdigest())
        if code in REFUSED_CODES:
            return self._notice(url, "refused", f"{at}: http_{code}")
        if 200 <= code < 300 or (400 <= code < 500 and code not in UNREACHED_CODES):
            return self._notice(url, "none" if reply.status == f"http_{code}" else reply.status, reply.detail)
        if at != url and reply.status.startswith(SPECIFIC) and not reply.is_retryable:
            return self._notice(url, "bad_redirect", f"{at}: {reply.status}: {reply.detail}")
        detail = f"{at}: {reply.status}" + (f": {reply.detail}" if reply.detail else "")
        return replace(self._notice(url, reply.status, detail), is_retryable=reply.is_retryable)

    def _notice(self, url: str, status: str, detail: str | None = None) -> Notice:
        return Notice(url=url, status=status, detail=detail, checked_ms=self._client.clock.wall_ms())

    def _settler(self, url: str, file: io.BytesIO) -> Callable[[Reply], None]:
        def settle(reply: Reply) -> None:
            if reply.status == "ok":
                self._pace(url, text_of(file.getvalue()))

        return settle

    def _pace(self, url: str, text: str) -> None:
        if url.endswith(ROBOTS):
            self._client.pace.ask_delay(site_of(url), asked_s(text))

    def _store(self, notice: Notice, body: bytes) -> None:
        if notice.sha256 is not None:
            store.put_blob(self._blobs_uri, body)
        store.publish(self._uri(notice.url), json.dumps(asdict(notice), ensure_ascii=False).encode())

    def _is_fresh(self, notice: Notice) -> bool:
        age_s = self._client.clock.wall_s() - notice.checked_ms / 1000
        return -1 <= age_s < (KEPT_S if notice.status in SETTLED else ASK_AGAIN_S)

    def _uri(self, url: str) -> str:
        return store.join(self._blobs_uri, FOLDER, f"{key_of(url)}.json")


def _judge_robots(robots: Notice, text: str, url: str) -> Verdict:
    if robots.status == "refused":
        return Verdict(status="robots", detail=robots.detail, robots_checked_ms=robots.checked_ms)
    if robots.status not in SETTLED:
        return _unreached(robots)
    verdict = Verdict(robots_sha256=robots.sha256, robots_checked_ms=robots.checked_ms)
    if text and not _rules(text).can_fetch(url, PRODUCT):
        return replace(verdict, status="robots", detail=f"{robots.url} disallows it")
    if asked_s(text) > MAX_ASKED_S:
        detail = f"{robots.url} asks for {asked_s(text):.0f} s between requests, more than {MAX_ASKED_S:.0f}"
        return replace(verdict, status="host_deferred", detail=detail, is_retryable=True)
    return verdict


def _unreached(notice: Notice) -> Verdict:
    status = notice.status if notice.status.startswith(SPECIFIC) else "robots_unreachable"
    return Verdict(
        status=status, detail=notice.detail, is_retryable=notice.is_retryable, robots_checked_ms=notice.checked_ms
    )


def _sourced(url: str, lines: Iterable[str]) -> list[str]:
    return [f"{url}: {line}" for line in lines]


def text_of(body: bytes) -> str:
    """Return the text of a file for crawlers, whatever its bytes are."""
    return body.decode("utf-8-sig", "replace")


@lru_cache(maxsize=MAX_KNOWN)
def _rules(text: str) -> Protego:
    return Protego.parse(text)


@lru_cache(maxsize=MAX_KNOWN)
def asked_s(text: str) -> float:
    """Return the pause a robots.txt asks for, by Crawl-delay or Request-rate."""
    rate = _rules(text).request_rate(PRODUCT)
    per_request_s = rate.seconds / rate.requests if rate is not None and rate.requests else 0.0
    return max(float(_rules(text).crawl_delay(PRODUCT) or 0.0), per_request_s)
