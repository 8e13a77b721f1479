"""A web of twelve misbehaving machines on the loopback, and a log of everything it was asked.

The machines are 127.0.0.2 to 127.0.0.13; each has any number of host names, and a crawler reaches them by pins. What a
host answers is a `Reply`, which writes whatever it likes. Bounded: no exchange outlasts MAX_EXCHANGE_S or MAX_SENT.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

ADDRESSES = tuple(f"127.0.0.{number}" for number in range(2, 14))
MAX_EXCHANGE_S = 20.0
MAX_SENT = 256 << 20
MAX_HEAD = 1 << 16
KEPT_BYTES = 1 << 20  # of each answer, in the log
TLS_HELLO = b"\x16"


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request and what was answered; it grows while the answer is written. Times are Unix seconds.

    It ends when its last bytes begin to be written, or the connection to be broken: no client can know of it before.
    """

    host: str
    path: str
    method: str
    headers: Mapping[str, str]  # by lower-case name
    started_s: float
    ended_s: float = math.inf
    first_byte_s: float | None = None
    num_bytes: int = 0
    sent: bytearray = field(default_factory=bytearray)
    is_whole: bool = False  # the reply came to its end and meant to

    @property
    def status(self) -> int | None:
        """The status sent; None while there is none, or for garbage."""
        words = bytes(self.sent[:32]).split(maxsplit=2)
        return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit() else None

    @property
    def answered(self) -> dict[str, str]:
        """The headers sent, by lower-case name."""
        return _headers(bytes(self.sent[:MAX_HEAD].partition(b"\r\n\r\n")[0]))

    @property
    def body(self) -> bytes:
        """The first of the body's bytes, as they were sent."""
        return bytes(self.sent.partition(b"\r\n\r\n")[2])


class Wire:
    """The server's end of one exchange."""

    def __init__(self, writer: asyncio.StreamWriter, exchange: Exchange, gone: asyncio.Event) -> None:
        self.exchange = exchange
        self.is_closing = False
        self._writer = writer
        self._gone = gone

    async def send(self, data: bytes) -> None:
        """Write bytes as they are; ConnectionResetError when the client has gone."""
        exchange = self.exchange
        if self._gone.is_set() or exchange.num_bytes + len(data) > MAX_SENT:
            raise ConnectionResetError
        exchange.ended_s = time.time()
        exchange.first_byte_s = exchange.first_byte_s or exchange.ended_s
        exchange.num_bytes += len(data)
        exchange.sent += data[: max(0, KEPT_BYTES - len(exchange.sent))]
        self._writer.write(data)
        await self._writer.drain()

    async def sleep(self, seconds: float) -> None:
        """Do nothing for a while; ConnectionResetError as soon as the client has gone."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), seconds)
            raise ConnectionResetError

    def close(self) -> None:
        """End the connection after this answer."""
        self.is_closing = True

    def reset(self) -> None:
        """End the connection at once, without a farewell."""
        self.exchange.ended_s = time.time()
        self.is_closing = True
        self._writer.transport.abort()


Reply = Callable[[Wire], Awaitable[None]]
Routes = dict[str, dict[str, Reply]]


class Web:
    """Hosts by name, each with its replies by path (with the query); anything else is 404. `log` is in order."""

    def __init__(self, routes: Routes) -> None:
        self.routes = routes
        self.log: list[Exchange] = []
        self.ports: dict[str, int] = {}

    @property
    def pins(self) -> dict[str, str]:
        """Where each host name is to be found, as 'address:port'."""
        places = [f"{address}:{port}" for address, port in self.ports.items()]
        return {name: places[number % len(places)] for number, name in enumerate(self.routes)}

    def asked(self, host: str, *paths: str) -> list[Exchange]:
        """Return a host's exchanges, in order; of these paths, if any are given."""
        return [item for item in self.log if item.host == host and (not paths or item.path in paths)]

    async def serve(self, tls: ssl.SSLContext | None, stopped: asyncio.Event, started: threading.Event) -> None:
        """Listen at every address until stopped."""
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(lambda: _Protocol(self), place, 0, ssl=tls) for place in ADDRESSES]
        self.ports = {
            place: server.sockets[0].getsockname()[1] for place, server in zip(ADDRESSES, servers, strict=True)
        }
        started.set()
        await stopped.wait()
        for server in servers:
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        """Answer the requests of one connection."""
        is_open = True
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while is_open:
                first = await reader.readexactly(1)
                if first == TLS_HELLO:
                    writer.write(b"HTTP/1.1 400 This is no TLS\r\n\r\n")
                    break
                exchange = _request(first + await reader.readuntil(b"\r\n\r\n"))
                self.log.append(exchange)
                is_open = await self._answer(Wire(writer, exchange, gone))
        writer.close()

    async def _answer(self, wire: Wire) -> bool:
        exchange = wire.exchange
        reply = self.routes.get(exchange.host, {}).get(exchange.path, _nothing_here)
        try:
            async with asyncio.timeout(MAX_EXCHANGE_S):
                await reply(wire)
        except (OSError, TimeoutError):
            exchange.ended_s = time.time()
            raise
        return not wire.is_closing


@contextmanager
def serve(routes: Routes, tls: ssl.SSLContext | None = None) -> Generator[Web]:
    """Serve in a thread of its own, so that a crawl here or in another process may ask."""
    web, started = Web(routes), threading.Event()
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(web.serve(tls, stopped, started),))
    thread.start()
    assert started.wait(10), "the fault server does not start; 127.0.0.2 to 127.0.0.13 must be loopback addresses"
    try:
        yield web
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class _Protocol(asyncio.StreamReaderProtocol):
    """A stream that says at once when its client has gone, also while the reply sleeps."""

    def __init__(self, web: Web) -> None:
        loop, self._is_gone = asyncio.get_running_loop(), asyncio.Event()
        reader = asyncio.StreamReader(limit=MAX_HEAD, loop=loop)
        super().__init__(reader, lambda reader, writer: web.converse(reader, writer, self._is_gone), loop=loop)

    def eof_received(self) -> bool:
        super().eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_gone.set()
        super().connection_lost(exc)


async def _nothing_here(wire: Wire) -> None:
    await wire.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    wire.exchange.is_whole = True


def _request(head: bytes) -> Exchange:
    first, _, _ = head.partition(b"\r\n")
    method, path, *_ = [*first.decode("latin-1").split(" "), "", ""]
    headers = _headers(head)
    host = headers.get("host", "").partition(":")[0]
    return Exchange(host=host, path=path, method=method, headers=headers, started_s=time.time())


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = [line.partition(":") for line in lines if ":" in line]
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
