"""Discovery: a source's listing to CANDIDATE parts, cut so that a host's candidates stay together.

The parts are named by their content, so that a listing that did not change makes nothing stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa

from pipeline import tables
from pipeline.errors import UserError
from pipeline.schema import CANDIDATE

Read = Callable[[str], bytes]
ID_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One audio file and the caption published beside it, as a source states them."""

    page_url: str
    audio_url: str
    text_url: str | None = None
    text_format: str | None = None
    declared_lang: str | None = None
    declared_split: str | None = None
    title: str | None = None
    license: str | None = None
    license_evidence: str | None = None
    opt_out_evidence: str | None = None
    validator: str | None = None


class Source(Protocol):
    """Something that lists audio with captions. `name` is stored on every row."""

    @property
    def name(self) -> str:
        """Name of the source."""
        ...

    @property
    def candidates_per_unit(self) -> int | None:
        """How many candidates of a host make a unit; None keeps a host in one unit, hence one budget."""
        ...

    def find(self, read: Read) -> Iterable[Found]:
        """List what the source offers; `read` gives the bytes at a URL or path."""
        ...


def discover(source: Source, read: Read, discovered_ms: int) -> list[pa.Table]:
    """List a source as CANDIDATE parts, ordered by host and URL; UserError when it offers nothing."""
    rows = {
        row["candidate_id"]: row for row in (_row(source.name, found, discovered_ms) for found in source.find(read))
    }
    if not rows:
        raise UserError(f"source {source.name!r} lists no audio; expected at least one pair; check its root or address")
    ordered = sorted(rows.values(), key=lambda row: (_host(row["audio_url"]), row["audio_url"], row["candidate_id"]))
    return [tables.from_rows(part, CANDIDATE) for part in _parts(ordered, source.candidates_per_unit)]


def content_fingerprint(parts: list[pa.Table]) -> str:
    """Hash what was discovered, whenever that was."""
    digests = [tables.digest(part, ignore=("discovered_ms",)) for part in parts]
    return hashlib.blake2b("\n".join(digests).encode(), digest_size=8).hexdigest()


def file_stamp(path: Path) -> str:
    """Return what changes when a local file changes: size and modification time, or 'missing'."""
    if not path.is_file():
        return "missing"
    stat = path.stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _row(source: str, found: Found, discovered_ms: int) -> dict[str, Any]:
    identity = "\n".join((source, found.audio_url, found.text_url or ""))
    if not found.audio_url:
        identity = "\n".join((source, found.page_url))
    return {
        "candidate_id": hashlib.blake2b(identity.encode(), digest_size=ID_BYTES).hexdigest(),
        "source": source,
        **{name: getattr(found, name) for name in Found.__dataclass_fields__},
        "discovered_ms": discovered_ms,
    }


def _host(url: str) -> str:
    return urlsplit(url).netloc if "://" in url else ""


def _parts(rows: list[dict[str, Any]], limit: int | None) -> list[list[dict[str, Any]]]:
    parts: list[list[dict[str, Any]]] = []
    last_host: str | None = None
    for row in rows:
        host = _host(row["audio_url"])
        if host != last_host or (limit is not None and len(parts[-1]) >= limit):
            parts.append([])
        parts[-1].append(row)
        last_host = host
    return parts
