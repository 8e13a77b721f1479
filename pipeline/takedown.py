"""Take-downs: what may not be asked for, kept or read, by lists a person writes. They beat every cache.

A list is a text file, an entry a line, with comments after '#':

    https://example.org/show/       every address that begins so, by http or https
    example.org                     a host and all below it; also 'host: example.org'
    recording: ID, candidate: ID    as the tables name them
    sha256: HEX                     audio bytes, wherever they lie
    sample: RECORDING_START         one window: a tar's key or a segment_id
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from pipeline import store, tables
from pipeline.errors import UserError
from pipeline.hosts import is_web
from pipeline.page import Page, Read, Reader
from pipeline.schema import TAKEDOWN

TAKEN_DOWN = "taken_down"  # status of a candidate, reason of a window, state in the ledger
SUFFIX = ".txt"
IN_FORCE = ("latest", "takedown.txt")  # of a data root: the lists as one, for whoever reads its shards
DEFAULT_PORTS = {"http": 80, "https": 443}
PATTERNS = {
    "url": re.compile(r"(https?|s3)://[^/\s]+.*|/.+", re.IGNORECASE),
    "host": re.compile(r"[^\s/:.]+(\.[^\s/:.]+)+"),
    "recording": re.compile(r"[0-9a-z-]+"),
    "candidate": re.compile(r"[0-9a-z-]+"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "sample": re.compile(r"[0-9a-z-]+:\d+"),
}
RECORDING_COLUMNS = (  # what says whether a recording is hit
    "recording_id",
    "candidate_id",
    "sha256",
    "audio_url",
    "text_url",
    "page_url",
    "final_url",
    "redirects",
)
EXPECTED = f"expected an address, a host, or one of {[f'{kind}:' for kind in list(PATTERNS)[1:]]} and its value"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One thing taken down; its text is a line of a list."""

    kind: str
    value: str

    def __str__(self) -> str:
        """Write it as a line."""
        return self.value if self.kind == "url" else f"{self.kind}: {self.value}"


@dataclass(frozen=True, slots=True)
class Takedowns:
    """All entries in force, found by what they name; each look-up returns the entry that hits, or None."""

    entries: tuple[Entry, ...] = ()
    _named: dict[tuple[str, str], Entry] = field(init=False, repr=False, compare=False)
    _prefixes: dict[str, list[tuple[str, Entry]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sort the entries and lay out what is looked up."""
        entries = tuple(sorted(set(self.entries)))
        prefixes: dict[str, list[tuple[str, Entry]]] = {}
        for entry in entries:
            if entry.kind == "url":
                host, rest = _split(entry.value)
                prefixes.setdefault(host, []).append((rest, entry))
        object.__setattr__(self, "entries", entries)
        object.__setattr__(self, "_named", {(entry.kind, entry.value): entry for entry in entries})
        object.__setattr__(self, "_prefixes", prefixes)

    def of_url(self, url: str) -> Entry | None:
        """Look up an address: by its beginning, then by its host and the hosts above it."""
        host, rest = _split(url)
        for prefix, entry in self._prefixes.get(host, ()):
            if rest.startswith(prefix):
                return entry
        labels = host.partition("/")[0].partition(":")[0].split(".")
        above = (self._named.get(("host", ".".join(labels[number:]))) for number in range(len(labels)))
        return next((entry for entry in above if entry is not None), None)

    def of_urls(self, urls: Iterable[str | None]) -> Entry | None:
        """Look up the addresses that are not null, in order."""
        return next((entry for url in urls if url and (entry := self.of_url(url))), None)

    def named(self, kind: str, value: str | None) -> Entry | None:
        """Look up a recording, candidate or sha256 by its name."""
        return self._named.get((kind, value)) if value else None

    def of_recording(self, row: Mapping[str, Any]) -> Entry | None:
        """Look up a recording (RECORDING_COLUMNS) by its ids, its bytes and every address it was met at."""
        return (
            self.named("recording", row["recording_id"])
            or self.named("candidate", row["candidate_id"])
            or self.named("sha256", row["sha256"])
            or self.of_urls([row["audio_url"], row["text_url"], row["page_url"], row["final_url"]])
            or self.of_urls(row["redirects"] or ())
        )

    def of_segment(self, segment_id: str) -> Entry | None:
        """Look up one window."""
        return self._named.get(("sample", segment_id))

    def segments(self) -> Iterator[str]:
        """Yield the windows that are taken down on their own."""
        return (entry.value for entry in self.entries if entry.kind == "sample")

    def to_table(self) -> pa.Table:
        """Write the entries as a table, the same for the same entries."""
        rows = [{"kind": entry.kind, "value": entry.value} for entry in self.entries]
        return tables.from_rows(rows, TAKEDOWN)


@dataclass(frozen=True, slots=True)
class SparingReader:
    """A reader that asks for nothing that was taken down."""

    reader: Reader
    takedowns: Takedowns

    @contextmanager
    def open(self, blobs_uri: str) -> Generator[Read]:
        """Start reading; what was taken down reads as a page with that status."""
        with self.reader.open(blobs_uri) as read:
            yield lambda url: self._refusal(url) or read(url)

    def _refusal(self, url: str) -> Page | None:
        entry = self.takedowns.of_url(url)
        return Page(url=url, status=TAKEN_DOWN, detail=str(entry)) if entry else None


def from_table(table: pa.Table) -> Takedowns:
    """Read what `to_table` wrote."""
    return Takedowns(tuple(Entry(row["kind"], row["value"]) for row in table.select(TAKEDOWN.names).to_pylist()))


def read_lists(folder_uri: str) -> Takedowns:
    """Read every .txt list of a folder, none where there is no folder; UserError names a mistake's file and line."""
    names = [name for name in store.list_names(folder_uri) if name.endswith(SUFFIX)]
    return Takedowns(tuple(entry for name in names for entry in _read(store.join(folder_uri, name))))


def put_in_force(data_root: str, takedowns: Takedowns) -> None:
    """Leave the lists as one where readers of the data root's shards look."""
    text = "".join(f"{entry}\n" for entry in takedowns.entries)
    store.publish(store.join(data_root, *IN_FORCE), text.encode())


def in_force(data_root: str) -> Takedowns:
    """Read what `put_in_force` left; none where there is nothing."""
    uri = store.join(data_root, *IN_FORCE)
    return Takedowns(tuple(_read(uri))) if store.exists(uri) else Takedowns()


def parse(line: str, where: str) -> Entry | None:
    """Read one line; None for a blank one or a comment, UserError for anything else that is no entry."""
    text = re.sub(r"(^|\s)#.*", "", line).strip()
    if not text:
        return None
    kind, colon, value = text.partition(":")
    kind, value = kind.strip().lower(), value.strip()
    if not colon and PATTERNS["host"].fullmatch(text):
        kind, value = "host", text
    elif kind not in PATTERNS or kind == "url":
        kind, value = "url", text
    if kind == "host":
        value = _ascii(value.lower().strip("."))
    if kind == "sample":
        value = value.replace("_", ":")
    if not PATTERNS[kind].fullmatch(value):
        raise UserError(f"take-down {line.strip()!r} at {where} is no entry; {EXPECTED}; mend the line")
    return Entry(kind, value)


def _read(uri: str) -> Iterator[Entry]:
    for number, line in enumerate(store.read_bytes(uri).decode("utf-8-sig", "replace").splitlines(), start=1):
        entry = parse(line, f"{uri}:{number}")
        if entry is not None:
            yield entry


def _split(url: str) -> tuple[str, str]:
    """Return an address's host (with a port that is not its scheme's) and the rest, in one spelling."""
    if not is_web(url):
        return "", url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", url
    host = _ascii((parts.hostname or "").rstrip("."))
    if port not in (None, DEFAULT_PORTS[parts.scheme.lower()]):
        host = f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return host, unquote(parts.path or "/") + unquote(query)


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host
