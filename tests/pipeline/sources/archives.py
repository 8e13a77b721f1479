"""Write web archives as crawlers do: a record a gzip member, or none of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence

CAPTIONED = b'<html lang="sw"><audio src="/a.mp3"><track kind="captions" src="a.vtt"></audio></html>'


def record(url: str, block: bytes, kind: str = "response", media: str = "application/http", **headers: object) -> bytes:
    fields = {
        "WARC-Type": kind,
        "WARC-Target-URI": url,
        "WARC-Date": "2026-01-01T00:00:00Z",
        "WARC-Record-ID": "<urn:uuid:00000000-0000-0000-0000-000000000000>",
        "Content-Type": media,
        "Content-Length": len(block),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return b"WARC/1.0\r\n" + head.encode() + b"\r\n" + block + b"\r\n\r\n"


def answer(body: bytes, media: str = "text/html", status: int = 200, **headers: str) -> bytes:
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\nContent-Type: {media}\r\n{fields}\r\n".encode() + body


def page(url: str, body: bytes = CAPTIONED, **headers: object) -> bytes:
    return record(url, answer(body), **headers)


def links(url: str, *paths: str) -> bytes:
    """A WAT record of a page with these links."""
    listed = [{"path": path, "url": "x"} for path in paths]
    envelope = {"Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": {"Links": listed}}}}
    return record(url, json.dumps({"Envelope": envelope}).encode(), "metadata", "application/json")


def packed(records: Sequence[bytes]) -> bytes:
    return b"".join(map(gzip.compress, records))
