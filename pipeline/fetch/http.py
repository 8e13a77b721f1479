"""Polite HTTP: robots.txt first, one request at a time per host, bounded bodies, redirects by hand.

It does not read opt-out headers yet, nor resume half a body.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import aiohttp
from protego import Protego

from pipeline.errors import UserError
from pipeline.fetch.guard import NOT_PUBLIC, PinnedResolver, socket_factory

PRODUCT = "sotto"
RETRYABLE_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
ROBOTS_REFUSED_STATUS = frozenset({401, 403})
MAX_REDIRECTS = 10
MAX_ROBOTS_BYTES = 512 * 1024
MAX_CRAWL_DELAY_S = 300.0
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """How to fetch; only `max_bytes` can change what a fetch gives."""

    contact: str = field(default="", metadata={"semantic": False})
    delay_s: float = field(default=1.0, metadata={"semantic": False})
    timeout_s: float = field(default=300.0, metadata={"semantic": False})
    attempts: int = field(default=3, metadata={"semantic": False})
    max_bytes: int = 2 << 30
    allow_private: bool = field(default=False, metadata={"semantic": False})
    pins: Mapping[str, str] = field(default_factory=dict[str, str], metadata={"semantic": False})

    @property
    def user_agent(self) -> str:
        """The honest name every request carries."""
        return f"{PRODUCT}/0.1 ({self.contact})" if self.contact else f"{PRODUCT}/0.1"


def require_contact(urls: Iterable[str], options: HttpOptions) -> None:
    """Refuse to fetch from anybody's host without saying whom to write to; UserError names the first one."""
    if options.contact or options.allow_private:
        return
    hosts = {urlsplit(url).hostname or "" for url in urls if url.startswith(("http://", "https://"))}
    for host in sorted(hosts - set(options.pins)):
        raise UserError(
            f"host {host!r} would be fetched from without a contact; expected an address its owner can write to; "
            "set fetch.http.contact='+https://your.site/bot; mailto:you@your.site'"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What became of one URL: `status` is 'ok' or the reason there is no body."""

    status: str
    detail: str | None = None
    is_retryable: bool = False
    http_status: int | None = None
    etag: str | None = None
    body: bytes = b""


class Http:
    """A session that holds every host's budget and robots verdict; one per fetching process."""

    def __init__(self, session: aiohttp.ClientSession, options: HttpOptions) -> None:
        """Wrap an open aiohttp session."""
        self._session = session
        self._options = options
        self._locks: dict[str, asyncio.Lock] = {}
        self._next_s: dict[str, float] = {}
        self._robots: dict[str, Protego | Response] = {}

    async def get(self, url: str) -> Response:
        """Fetch a URL, retrying what may pass; never raises for what the network or the server does."""
        response = await self._get_once(url)
        for attempt in range(1, self._options.attempts):
            if not response.is_retryable:
                break
            await asyncio.sleep(random.uniform(0, self._options.delay_s * 2**attempt))
            response = await self._get_once(url)
        return response

    async def _get_once(self, url: str) -> Response:
        for _ in range(MAX_REDIRECTS + 1):
            refusal = await self._refusal(url)
            if refusal is not None:
                return refusal
            response = await self._request(url, self._options.max_bytes)
            if response.status != "redirect":
                return response
            target = urljoin(url, response.detail or "")
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                return Response(status="insecure_redirect", detail=target, http_status=response.http_status)
            url = target
        return Response(status="too_many_redirects", detail=f"more than {MAX_REDIRECTS}")

    async def _refusal(self, url: str) -> Response | None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            return Response(status="bad_url", detail="expected http(s)://host without credentials")
        origin = f"{parts.scheme}://{parts.netloc}"
        async with self._locks.setdefault(f"robots {origin}", asyncio.Lock()):
            if origin not in self._robots:
                self._robots[origin] = await self._fetch_robots(origin)
        verdict = self._robots[origin]
        if isinstance(verdict, Response):
            return verdict
        if not verdict.can_fetch(url, PRODUCT):
            return Response(status="robots", detail=f"{origin}/robots.txt disallows it")
        return None

    async def _fetch_robots(self, origin: str) -> Protego | Response:
        """RFC 9309: 4xx allows, 5xx and network errors disallow; 401 and 403 we take for a refusal."""
        url = f"{origin}/robots.txt"
        response = await self._request(url, MAX_ROBOTS_BYTES)
        for _ in range(MAX_REDIRECTS):
            if response.status != "redirect":
                break
            url = urljoin(url, response.detail or "")
            response = await self._request(url, MAX_ROBOTS_BYTES)
        if response.status == "ok":
            return Protego.parse(response.body.decode("utf-8", "replace"))
        code = response.http_status or 0
        if 400 <= code < 500 and code not in ROBOTS_REFUSED_STATUS:
            return Protego.parse("")
        status = "robots" if code in ROBOTS_REFUSED_STATUS else "robots_unreachable"
        return Response(
            status=status,
            detail=f"{url}: {response.status}",
            is_retryable=response.is_retryable,
            http_status=code or None,
        )

    def _delay_s(self, url: str) -> float:
        parts = urlsplit(url)
        robots = self._robots.get(f"{parts.scheme}://{parts.netloc}")
        asked = robots.crawl_delay(PRODUCT) if isinstance(robots, Protego) else None
        return max(self._options.delay_s, min(float(asked or 0.0), MAX_CRAWL_DELAY_S))

    async def _request(self, url: str, max_bytes: int) -> Response:
        host = urlsplit(url).hostname or ""
        async with self._locks.setdefault(host, asyncio.Lock()):
            await asyncio.sleep(max(0.0, self._next_s.get(host, 0.0) - time.monotonic()))
            try:
                return await self._read(url, max_bytes)
            except TimeoutError:
                return Response(status="timeout", detail=f"no answer in {self._options.timeout_s} s", is_retryable=True)
            except aiohttp.ClientPayloadError as error:
                return Response(status="truncated", detail=str(error), is_retryable=True)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                # aiohttp wraps what the socket factory raises, and joins several addresses' errors into one text.
                blocked = NOT_PUBLIC in str(error)
                status = "blocked_address" if blocked else "network"
                return Response(status=status, detail=f"{type(error).__name__}: {error}", is_retryable=not blocked)
            finally:
                self._next_s[host] = time.monotonic() + self._delay_s(url)

    async def _read(self, url: str, max_bytes: int) -> Response:
        async with self._session.get(url, allow_redirects=False) as answer:
            code, etag = answer.status, answer.headers.get("ETag")
            if code in (301, 302, 303, 307, 308) and "Location" in answer.headers:
                return Response(status="redirect", detail=answer.headers["Location"], http_status=code)
            if code != 200:
                return Response(status=f"http_{code}", is_retryable=code in RETRYABLE_STATUS, http_status=code)
            body = bytearray()
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > max_bytes:
                    return Response(status="too_large", detail=f"more than {max_bytes} bytes", http_status=code)
            return Response(status="ok", http_status=code, etag=etag, body=bytes(body))


@asynccontextmanager
async def open_http(options: HttpOptions) -> AsyncGenerator[Http]:
    """Open a session with the guard, no cookies, no proxies from the environment and no content encoding."""
    connector = aiohttp.TCPConnector(
        resolver=PinnedResolver(options.pins),
        socket_factory=socket_factory(options.pins, options.allow_private),
        limit_per_host=1,
    )
    timeout = aiohttp.ClientTimeout(total=options.timeout_s)
    headers = {"User-Agent": options.user_agent, "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    ) as session:
        yield Http(session, options)
