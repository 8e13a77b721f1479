"""One polite HTTP request: in its site's turn, through the guard, within its limits, its end always a status.

It follows no redirect and reads no robots.txt: crawl does, on top of it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Protocol

import aiohttp
from aiohttp.connector import Connection
from multidict import CIMultiDictProxy

from pipeline.errors import UserError
from pipeline.fetch.address import as_written
from pipeline.fetch.guard import PinnedResolver, is_blocked, socket_factory
from pipeline.fetch.pace import MAX_ASKED_S, MAX_RETRY_AFTER_S, MIN_RETRY_AFTER_S, Budgets, Clock, Outcome, Pace, Visit
from pipeline.hosts import host_of, site_of
from pipeline.optouts import PRODUCT

VERSION = "0.1"
RETRYABLE_CODES = frozenset({408, 425, 429, 500, 502, 503, 504})
REDIRECT_CODES = frozenset({301, 302, 303, 307, 308})
BODY_CODES = frozenset({200, 206})
NOT_MODIFIED, RANGE_REFUSED = 304, 416
LEASE_WINDOWS = 3.0  # a turn is kept every half window, so a dead holder's ends soon


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """How to fetch; only `max_bytes` and `honour_ai_agents` can change what a fetch gives.

    `timeout_s` is how long nothing may come: until connected and answered, then between bytes, of which there must be
    `min_bytes_per_s`; `max_body_s` bounds a whole body. A site that wants more than `max_wait_s` is left for later.
    """

    contact: str = field(default="", metadata={"semantic": False})
    delay_s: float = field(default=1.0, metadata={"semantic": False})
    timeout_s: float = field(default=60.0, metadata={"semantic": False})
    min_bytes_per_s: int = field(default=1000, metadata={"semantic": False})
    max_body_s: float = field(default=3600.0, metadata={"semantic": False})
    max_wait_s: float = field(default=300.0, metadata={"semantic": False})
    attempts: int = field(default=3, metadata={"semantic": False})
    connections: int = field(default=64, metadata={"semantic": False})
    max_bytes: int = 2 << 30
    honour_ai_agents: bool = True
    allow_private: bool = field(default=False, metadata={"semantic": False})
    pins: Mapping[str, str] = field(default_factory=dict[str, str], metadata={"semantic": False})

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense; UserError names the setting."""
        for name, least in (("delay_s", 0.0), ("min_bytes_per_s", 0), ("max_wait_s", 0.0)):
            _require(name, getattr(self, name), is_good=getattr(self, name) >= least, expected=f"at least {least}")
        for name in ("timeout_s", "max_body_s", "attempts", "connections", "max_bytes"):
            _require(name, getattr(self, name), is_good=getattr(self, name) > 0, expected="more than 0")

    @property
    def user_agent(self) -> str:
        """The honest name every request carries."""
        return f"{PRODUCT}/{VERSION} ({self.contact})" if self.contact else f"{PRODUCT}/{VERSION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of one request: 'ok' with a body, 'redirect', 'not_modified', 'range_refused', or why not."""

    status: str
    detail: str | None = None
    is_retryable: bool = False
    http_status: int | None = None
    peer: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    response_s: float = 0.0
    retry_after_s: float | None = None

    def header(self, name: str) -> str | None:
        """Return a header's first value; the name in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class Refused(Exception):
    """A body that is not wanted, or not whole; the status says why."""

    def __init__(self, status: str, detail: str, *, is_retryable: bool = False) -> None:
        """Keep what the answer will say."""
        super().__init__(detail)
        self.status, self.detail, self.is_retryable = status, detail, is_retryable


class Sink(Protocol):
    """Where a body goes; each step may raise Refused."""

    def begin(self, code: int, headers: CIMultiDictProxy[str]) -> None:
        """Look at the head of a 200 or 206."""
        ...

    def write(self, data: bytes) -> None:
        """Take the next bytes as they came over the wire."""
        ...

    def finish(self) -> None:
        """Judge the whole."""
        ...


def require_contact(urls: Iterable[str], options: HttpOptions) -> None:
    """Refuse to fetch from anybody's host without saying whom to write to; UserError names the first one."""
    if options.contact or options.allow_private:
        return
    hosts = {host_of(url) for url in urls} - {""}
    for host in sorted(hosts - set(options.pins)):
        raise UserError(
            f"host {host!r} would be fetched from without a contact; expected an address its owner can write to; "
            "set fetch.http.contact='+https://your.site/bot; mailto:you@your.site'"
        )


class Client:
    """An open session with the pace of every site it has met."""

    def __init__(self, session: aiohttp.ClientSession, options: HttpOptions, budgets: Budgets, clock: Clock) -> None:
        """Wrap an open session; see open_client."""
        self.options = options
        self.clock = clock
        self.pace = Pace(options.delay_s, options.max_wait_s, clock)
        self._session = session
        # aiohttp would ask again by itself when a kept connection breaks, out of turn and without a pause.
        session._retry_connection = False  # pyright: ignore[reportPrivateUsage]
        self._budgets = budgets
        self._lease_s = LEASE_WINDOWS * options.timeout_s

    async def exchange(
        self, url: str, headers: Mapping[str, str], sink: Sink, settle: Callable[[Reply], None] = lambda _: None
    ) -> Reply:
        """Do one request in its site's turn; `settle` sees the reply before the pause after it is set."""
        site, host = site_of(url), host_of(url)
        refusal = self.pace.refusal(site, host)
        if refusal is not None:
            return Reply(status=refusal[0], detail=refusal[1], is_retryable=refusal[0] != "host_refused")
        visit = Visit(site)
        wait_s = await self._budgets.enter(visit, self._lease_s, max(self.options.max_wait_s, MAX_ASKED_S))
        if wait_s > 0:
            detail = f"{site} is to be let alone for another {wait_s:.0f} s"
            return Reply(status="host_deferred", detail=detail, is_retryable=True)
        pause_s = self.options.delay_s
        try:
            reply = await self._request(url, headers, sink, visit)
            self.pace.note(site, host, _outcome(reply))
            settle(reply)
            pause_s = self.pace.pause_s(site, reply.retry_after_s)
        finally:
            await self._budgets.leave(visit, pause_s)
        asked_s = reply.retry_after_s or 0.0
        if asked_s > self.options.max_wait_s and reply.is_retryable:
            detail = f"{site} asks to be let alone for {asked_s:.0f} s ({reply.status})"
            return replace(reply, status="host_deferred", detail=detail)
        return reply

    async def _request(self, url: str, headers: Mapping[str, str], sink: Sink, visit: Visit) -> Reply:
        begun_s = self.clock.steady_s()
        try:
            async with asyncio.timeout(self.options.timeout_s):
                answer = await self._session.get(as_written(url), headers=headers, allow_redirects=False)
        except TimeoutError:
            return self._failed("timeout", f"no answer in {self.options.timeout_s} s", begun_s, is_retryable=True)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._failed(*_why(error), begun_s, is_retryable=not _is_final(error))
        async with answer:
            reply = self._head(answer, headers, self.clock.steady_s() - begun_s)
            return await self._body(answer, reply, sink, visit) if reply.status == "ok" else reply

    def _failed(self, status: str, detail: str, begun_s: float, *, is_retryable: bool) -> Reply:
        elapsed_s = self.clock.steady_s() - begun_s
        return Reply(status=status, detail=detail, is_retryable=is_retryable, response_s=elapsed_s)

    def _head(self, answer: aiohttp.ClientResponse, asked: Mapping[str, str], response_s: float) -> Reply:
        code = answer.status
        status, detail = f"http_{code}", None
        if code == 200 or (code == 206 and "Range" in asked):
            status = "ok"
        elif code in REDIRECT_CODES and "Location" in answer.headers:
            status, detail = "redirect", answer.headers["Location"]
        elif code == NOT_MODIFIED and {"If-None-Match", "If-Modified-Since"} & set(asked):
            status = "not_modified"
        elif code == RANGE_REFUSED and "Range" in asked:
            status = "range_refused"
        may_ask_to_wait = code in RETRYABLE_CODES or code in REDIRECT_CODES
        return Reply(
            status=status,
            detail=detail,
            is_retryable=code in RETRYABLE_CODES,
            http_status=code,
            peer=answer.peer if isinstance(answer, _Response) else None,
            headers=tuple(answer.headers.items()),
            response_s=response_s,
            retry_after_s=_retry_after_s(answer.headers, self.clock) if may_ask_to_wait else None,
        )

    async def _body(self, answer: aiohttp.ClientResponse, reply: Reply, sink: Sink, visit: Visit) -> Reply:
        try:
            sink.begin(answer.status, answer.headers)
            await self._receive(answer, sink, visit)
            sink.finish()
        except Refused as error:
            return replace(reply, status=error.status, detail=error.detail, is_retryable=error.is_retryable)
        except TimeoutError:
            detail = f"no byte in {self.options.timeout_s} s"
            return replace(reply, status="too_slow", detail=detail, is_retryable=True)
        except (aiohttp.ClientError, ConnectionError) as error:
            return replace(reply, status="truncated", detail=f"{type(error).__name__}: {error}", is_retryable=True)
        return reply

    async def _receive(self, answer: aiohttp.ClientResponse, sink: Sink, visit: Visit) -> None:
        """Read to the end; the rate is looked at every half `timeout_s`, and the turn kept."""
        options, loop = self.options, asyncio.get_running_loop()
        begun_s = window_s = loop.time()
        num_bytes = 0
        async with asyncio.timeout(options.timeout_s) as silence:
            async for data in answer.content.iter_any():
                sink.write(data)
                num_bytes += len(data)
                now_s = loop.time()
                if now_s - window_s < options.timeout_s / 2:
                    continue
                if num_bytes < options.min_bytes_per_s * (now_s - window_s) or now_s - begun_s > options.max_body_s:
                    detail = f"{num_bytes} bytes in {now_s - window_s:.1f} s, {now_s - begun_s:.1f} s in all"
                    raise Refused("too_slow", detail, is_retryable=True)
                window_s, num_bytes = now_s, 0
                silence.reschedule(now_s + options.timeout_s)
                await self._budgets.keep(visit, self._lease_s)


class _Response(aiohttp.ClientResponse):
    """A response that remembers whom it came from: a short one has given its connection back when it is seen."""

    peer: str | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Note the address, then read the head."""
        name = connection.transport.get_extra_info("peername") if connection.transport else None
        self.peer = _written(*name[:2]) if name else None
        return await super().start(connection)


@asynccontextmanager
async def open_client(options: HttpOptions, budgets: Budgets, clock: Clock) -> AsyncGenerator[Client]:
    """Open a session with the guard, no cookies, no proxies from the environment and no decoding behind our back."""
    connector = aiohttp.TCPConnector(
        resolver=PinnedResolver(options.pins),
        socket_factory=socket_factory(options.pins, options.allow_private),
        limit=0,  # the sites' turns bound the connections
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.timeout_s),
        headers={"User-Agent": options.user_agent, "Accept": "*/*"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        response_class=_Response,
    ) as session:
        yield Client(session, options, budgets, clock)


def _written(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _require(name: str, value: float, *, is_good: bool, expected: str) -> None:
    if not is_good:
        raise UserError(f"fetch.http.{name} {value} is out of range; expected {expected}; mend the setting")


def _outcome(reply: Reply) -> Outcome:
    return Outcome(
        status=reply.status,
        http_status=reply.http_status,
        response_s=reply.response_s,
        is_retryable=reply.is_retryable,
        retry_after_s=reply.retry_after_s,
    )


def _why(error: Exception) -> tuple[str, str]:
    detail = f"{type(error).__name__}: {error}"
    if is_blocked(error):
        return "blocked_address", detail
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns", detail
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return "tls", detail
    if isinstance(error, aiohttp.InvalidURL) or not isinstance(error, (aiohttp.ClientError, OSError)):
        return "bad_url", detail
    return "network", detail


def _is_final(error: Exception) -> bool:
    return _why(error)[0] in ("blocked_address", "tls", "bad_url")


def _retry_after_s(headers: CIMultiDictProxy[str], clock: Clock) -> float | None:
    """Read Retry-After, seconds or a date, which is taken against the server's own clock where it tells that."""
    stated = headers.get("Retry-After", "").strip()
    if stated.isdigit():
        return min(max(float(stated[:9]), MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)
    then_s, now_s = _date_s(stated), _date_s(headers.get("Date", ""))
    if then_s is None:
        return None
    return min(max(then_s - (now_s or clock.wall_s()), MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)


def _date_s(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
