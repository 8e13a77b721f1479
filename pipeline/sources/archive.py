"""Records of a web archive (WARC, WAT, WET): HTML pages as they were answered, and the links WAT lists of a page.

Only HTML is read. What was cut short, by the archive or by its end, and what unpacks to too much keeps its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any, cast

from fastwarc.warc import (  # pyright: ignore[reportMissingModuleSource] (it is compiled)
    ArchiveIterator,
    WarcRecord,
    WarcRecordType,
)

from pipeline.languages import code_of
from pipeline.optouts import in_headers
from pipeline.page import Page
from pipeline.rows import parse_object
from pipeline.sources.html import MAX_BYTES

HTML = frozenset({"text/html", "application/xhtml+xml"})
MAX_HEAD_BYTES = 64 << 10
_TYPES = WarcRecordType.response | WarcRecordType.metadata | WarcRecordType.conversion


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record of a page: its HTML, or the paths of its links ('TRACK@/src'), or neither in one of text (WET).

    `status` other than ok says what is wrong with it; a page that was cut short still has what is there of it.
    """

    url: str
    page: Page | None = None
    lang: str | None = None
    link_paths: frozenset[str] = frozenset()
    is_text: bool = False
    status: str = "ok"
    detail: str | None = None


def records(stream: BufferedIOBase) -> Iterator[Record]:
    """Yield the records of pages; what the stream raises at damage comes through, and OSError."""
    forward = cast(Any, _Forward(stream))
    for record in ArchiveIterator(forward, record_types=_TYPES, parse_http=False, quirks_mode=True):
        url = (record.headers.get("WARC-Target-URI") or "").strip("<> ")
        if record.record_type == WarcRecordType.conversion:
            yield Record(url=url, is_text=True)
        elif record.record_type == WarcRecordType.metadata:
            if "json" in (record.headers.get("Content-Type") or ""):
                yield _links(record, url)
        elif (page := _page(record, url)) is not None:
            yield page


@dataclass(frozen=True, slots=True)
class _Forward:
    """What fastwarc needs of a stream; it panics where asking a stream for its place raises (2.0.1)."""

    stream: BufferedIOBase

    def read(self, size: int = -1) -> bytes:
        return self.stream.read1(size)  # what is whole comes before what is damaged

    def tell(self) -> int:
        return 0


def _page(record: WarcRecord, url: str) -> Record | None:
    block = record.reader.read(min(record.content_length, MAX_HEAD_BYTES))
    answer = _answer(block)
    media_type = (answer.headers.get("content-type") or "").partition(";")[0].strip().lower() if answer else ""
    if answer is None or answer.status != 200 or media_type not in HTML:
        return None
    block += record.reader.read(min(record.content_length, MAX_BYTES + MAX_HEAD_BYTES) - len(block))
    lang = code_of((record.headers.get("WARC-Identified-Content-Language") or "").partition(",")[0])
    lang = lang or code_of((answer.headers.get("content-language") or "").partition(",")[0])
    is_cut = len(block) < record.content_length
    cut = record.headers.get("WARC-Truncated") or ("the archive" if is_cut else None)
    try:
        body = _answer(block, decode=True, max_bytes=MAX_BYTES + 1)
    except OSError as error:
        return Record(url=url, status="truncated" if cut else "bad_encoding", detail=str(error))
    if body is None or len(body.body) > MAX_BYTES:
        is_packed = "content-encoding" in answer.headers
        return Record(
            url=url, status="bomb" if is_packed else "too_large", detail=f"it has more than {MAX_BYTES} bytes"
        )
    page = Page(
        url=url,
        body=body.body,
        content_type=answer.headers.get("content-type"),
        opt_outs=tuple(in_headers(answer.fields)),
    )
    return Record(
        url=url,
        page=page,
        lang=lang,
        status="truncated" if cut else "ok",
        detail=f"cut short by {cut}: what came after is unknown" if cut else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int | None
    fields: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self.fields}


def _answer(block: bytes, decode: bool = False, max_bytes: int = 0) -> _Answer | None:
    """Parse an HTTP answer; OSError when its body is not in the encoding it says."""
    record = WarcRecord()
    record.set_bytes_content(block)
    record.is_http = True
    try:
        record.parse_http(auto_decode="all" if decode else "none", max_header_len=MAX_HEAD_BYTES)
    except OSError:
        if decode:
            raise
        return None
    body = record.reader.read(max_bytes) if decode else b""
    return _Answer(status=record.http_headers.status_code, fields=record.http_headers.to_tuples(), body=body)


def _links(record: WarcRecord, url: str) -> Record:
    block = record.reader.read(min(record.content_length, MAX_BYTES + 1))
    if len(block) > MAX_BYTES:
        return Record(url=url, status="too_large", detail=f"its metadata has more than {MAX_BYTES} bytes")
    try:
        value: Any = parse_object(block)
    except ValueError as error:
        return Record(url=url, status="truncated", detail=f"its metadata cannot be read: {error}")
    for name in ("Envelope", "Payload-Metadata", "HTTP-Response-Metadata", "HTML-Metadata", "Links"):
        value = cast(Mapping[str, Any], value).get(name) if isinstance(value, dict) else None
    links = cast(list[Any], value) if isinstance(value, list) else []
    paths = (cast(Mapping[str, Any], link).get("path") for link in links if isinstance(link, dict))
    return Record(url=url, link_paths=frozenset(path for path in paths if isinstance(path, str)))
