"""Hosts for the crawl benchmark: one process that serves files of random bytes as fast as it can."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

MAGIC = b"fLaC"
SEED = 0


@contextmanager
def hosts(addresses: Sequence[str], file_bytes: int) -> Generator[list[str]]:
    """Serve /NUMBER at every address, each number another file; yields the places as 'address:port'."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(list(addresses), file_bytes, there), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


class _Files(asyncio.Protocol):
    """Keep-alive GETs of one connection, answered without a framework's cost."""

    def __init__(self, filling: bytes) -> None:
        self._filling = filling
        self._transport: asyncio.WriteTransport | None = None
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._waiting = (self._waiting + data).split(b"\r\n\r\n")
        for request in requests:
            self._answer(request.split(b" ", 2)[1])

    def _answer(self, path: bytes) -> None:
        assert self._transport is not None
        if not path[1:].isdigit():
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        first = MAGIC + path.ljust(16)
        size = len(first) + len(self._filling)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/flac\r\nContent-Length: %d\r\n\r\n" % size
        self._transport.write(head + first)
        self._transport.write(self._filling)


def _serve(addresses: Sequence[str], file_bytes: int, started: Connection) -> None:
    filling = random.Random(SEED).randbytes(file_bytes - len(MAGIC) - 16)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(lambda: _Files(filling), address, 0) for address in addresses]
        started.send(["{}:{}".format(*server.sockets[0].getsockname()) for server in servers])
        await asyncio.Event().wait()

    asyncio.run(run())
