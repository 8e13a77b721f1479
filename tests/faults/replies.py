"""What a host of the fault server may answer: from plain bodies to endless, cut and lying ones.

Header lines are written as given; one that names a header of the reply's own takes its place.
"""

from __future__ import annotations

import re

from tests.faults.server import Reply, Wire

REASON = "As Told"
BLOCK = 1 << 16


def head(code: int, *lines: str) -> bytes:
    """Write a status line and headers."""
    return "\r\n".join([f"HTTP/1.1 {code} {REASON}", *lines, "", ""]).encode()


def body(data: bytes, kind: str, *lines: str, code: int = 200) -> Reply:
    """Answer whole and honestly, unless the lines contradict."""
    stated = {line.partition(":")[0].lower() for line in lines}
    own = (f"Content-Type: {kind}", f"Content-Length: {len(data)}")
    first = head(code, *(line for line in own if line.partition(":")[0].lower() not in stated), *lines)

    async def reply(wire: Wire) -> None:
        await wire.send(first)
        for start in range(0, len(data), BLOCK):
            await wire.send(data[start : start + BLOCK])
        wire.exchange.is_whole = True

    return reply


def text(content: str, *lines: str) -> Reply:
    """Answer with plain text."""
    return body(content.encode(), "text/plain", *lines)


def status(code: int, *lines: str) -> Reply:
    """Answer with a status and an empty body."""
    return body(b"", "text/plain", *lines, code=code)


def redirect(target: str, *lines: str, code: int = 302) -> Reply:
    """Send elsewhere."""
    return status(code, f"Location: {target}", *lines)


def whole(data: bytes) -> Reply:
    """Write bytes as they are, and keep the connection."""

    async def reply(wire: Wire) -> None:
        await wire.send(data)
        wire.exchange.is_whole = True

    return reply


def raw(data: bytes) -> Reply:
    """Write bytes as they are, and hang up."""

    async def reply(wire: Wire) -> None:
        await wire.send(data)
        wire.close()

    return reply


def reset(data: bytes = b"") -> Reply:
    """Write the beginning of an answer, then break the connection."""

    async def reply(wire: Wire) -> None:
        if data:
            await wire.send(data)
            await wire.sleep(0.02)  # what the kernel has not sent yet would be lost
        wire.reset()

    return reply


def trickle(first: bytes, data: bytes, pause_s: float) -> Reply:
    """Write a beginning at once and the rest byte by byte, with a pause before each."""

    async def reply(wire: Wire) -> None:
        await wire.send(first)
        for start in range(len(data)):
            await wire.sleep(pause_s)
            await wire.send(data[start : start + 1])
        wire.close()

    return reply


def after(seconds: float, then: Reply) -> Reply:
    """Think first."""

    async def reply(wire: Wire) -> None:
        await wire.sleep(seconds)
        await then(wire)

    return reply


def endless(first: bytes, block: bytes) -> Reply:
    """Write blocks for as long as anybody reads."""

    async def reply(wire: Wire) -> None:
        await wire.send(first)
        while True:
            await wire.send(block)

    return reply


def in_turn(*replies: Reply) -> Reply:
    """Give one reply after the other, and the last one from then on."""
    waiting = list(replies)

    async def reply(wire: Wire) -> None:
        await (waiting.pop(0) if len(waiting) > 1 else waiting[0])(wire)

    return reply


def validated(data: bytes, kind: str, etag: str, *lines: str) -> Reply:
    """Answer 304 to whoever has this version already."""

    async def reply(wire: Wire) -> None:
        is_known = wire.exchange.headers.get("if-none-match") == etag
        same, new = whole(head(304, f"ETag: {etag}", *lines)), body(data, kind, f"ETag: {etag}", *lines)
        await (same if is_known else new)(wire)

    return reply


def ranged(data: bytes, etag: str, cut: int) -> Reply:
    """Break off after `cut` bytes of each answer, and go on from where a Range asks (RFC 9110, section 14)."""

    async def reply(wire: Wire) -> None:
        start, first = _rest(wire, data, etag)
        part = first + data[start : start + cut]
        await (whole(part) if start + cut >= len(data) else reset(part))(wire)

    return reply


def paced(data: bytes, etag: str, pause_s: float) -> Reply:
    """Write block by block, with a pause before each, and go on from where a Range asks."""

    async def reply(wire: Wire) -> None:
        start, first = _rest(wire, data, etag)
        await wire.send(first)
        for place in range(start, len(data), BLOCK):
            await wire.sleep(pause_s)
            await wire.send(data[place : place + BLOCK])
        wire.exchange.is_whole = True

    return reply


def _rest(wire: Wire, data: bytes, etag: str) -> tuple[int, bytes]:
    """Return where to go on from, and the head of that answer."""
    is_same = wire.exchange.headers.get("if-range", etag) == etag
    start = range_start(wire) if is_same else 0
    lines = ("Content-Type: audio/flac", f"ETag: {etag}", f"Content-Length: {len(data) - start}")
    place = (f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}",) if start else ()
    return start, head(206 if start else 200, *lines, *place)


def range_start(wire: Wire) -> int:
    """Return where the request wants to go on, 0 for the whole."""
    found = re.fullmatch(r"bytes=(\d+)-", wire.exchange.headers.get("range", ""))
    return int(found[1]) if found else 0


def on_range(plain: Reply, ranged: Reply) -> Reply:
    """Give one reply to a request for the whole and another to a request for the rest."""

    async def reply(wire: Wire) -> None:
        await (ranged if "range" in wire.exchange.headers else plain)(wire)

    return reply


def chunk(data: bytes) -> bytes:
    """Frame data for a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)
