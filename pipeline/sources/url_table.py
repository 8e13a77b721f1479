"""Tables of addresses, Parquet or CSV, on a disk or s3://: Common Crawl's columnar index, or any with a column url.

Rows of audio and video are candidates with the caption their row names; rows of HTML are pages, read live and politely,
or out of the archive when `archive` says what warc_filename is relative to (s3://commoncrawl). What the table says was
no success is left out. A large table is cut into pieces, Parquet by row groups, CSV by site.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline import store
from pipeline.errors import UserError
from pipeline.hosts import is_web, site_of
from pipeline.languages import code_of
from pipeline.page import Read
from pipeline.rows import Row, Values, format_of, plain_columns, read_rows, text_of
from pipeline.sources.address import is_video
from pipeline.sources.archive import HTML, records
from pipeline.sources.found import Found, Seed, Unreadable, read_ok, unreadable
from pipeline.sources.listing import ALIASES
from pipeline.sources.page import found_in, stated
from pipeline.sources.row_groups import piece_of, table_seeds
from pipeline.sources.stored import Outside, existing, inside, part_of, part_seeds, refused
from pipeline.sources.warc import found_in_record
from pipeline.unpacked import DAMAGE, unpacked

URL = ("url", "page_url", "audio_url", "uri", "link")
MIME = ("content_mime_detected", "content_mime_type", "mime_type", "content_type", "mime")
LANGUAGE = ("content_languages", "language", "lang", "declared_lang")
MAX_RECORD_BYTES = 8 << 20  # of one record in an archive, packed


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlTableSource:
    """Tables at `root`, a file or a folder; `languages` keeps only rows declared to be in one of them."""

    root: str
    name: str = "url_table"
    archive: str | None = None
    languages: Sequence[str] = ()
    language: str | None = None
    license: str | None = None
    captioned_only: bool = True
    max_pages: int = 1_000
    candidates_per_unit: int | None = None

    def seeds(self, read: Read) -> list[Seed]:
        """Return the tables, large ones in pieces."""
        root = existing(self.root, "a table of addresses or a folder of them")
        uris = [root] if format_of(root) else [uri for uri in store.list_files(root) if format_of(uri)]
        if not uris:
            raise UserError(
                f"source.root {self.root!r} holds no table; expected Parquet or CSV; give root=TABLE_OR_FOLDER"
            )
        return [seed for uri in uris for seed in (table_seeds(uri) if _is_parquet(uri) else part_seeds(uri))]

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List a piece's rows: audio as it is, pages by what they hold."""
        num_pages = 0
        for place, row in _rows(seed):
            url = text_of(row.values or {}, *URL)
            if row.values is None or url is None or not is_web(url):
                yield refused(place, "bad_candidate", row.problem or f"no address of the web in {URL}")
                continue
            if not self._is_wanted(row.values):
                continue
            if _is_media(row.values, url):
                yield self._media(place, url, row.values)
                continue
            num_pages += 1
            if num_pages > self.max_pages:
                yield refused(f"{seed}#more", "over_limit", f"more than max_pages={self.max_pages} pages")
                return
            yield from self._page(url, row.values, read)

    def _is_wanted(self, values: Values) -> bool:
        mime, status = text_of(values, *MIME), text_of(values, "fetch_status")
        is_ours = mime is None or mime in HTML or mime.startswith(("audio/", "video/"))
        is_spoken = not self.languages or _language(values) in self.languages
        return is_ours and is_spoken and status in (None, "200", "200.0")

    def _media(self, place: str, url: str, values: Values) -> Found:
        caption = text_of(values, *ALIASES["text_url"])
        found = replace(
            stated(_language(values) or self.language, self.license),
            page_url=place,
            audio_url=url,
            text_url=caption,
            title=text_of(values, "title"),
        )
        if caption is None and self.captioned_only:
            return replace(found, audio_url="", status="no_text", status_detail=f"{url}: no caption in the table")
        return found

    def _page(self, url: str, values: Values, read: Read) -> Iterator[Found]:
        default = stated(_language(values) or self.language, self.license)
        try:
            if self.archive is None:
                found = list(found_in(read_ok(read, url), default, self.captioned_only))
            else:
                found = list(self._archived(self.archive, values, default))
        except Unreadable as error:
            found = [unreadable(error, url)]
        yield from found or [refused(url, "no_audio", "the page has no audio")]

    def _archived(self, archive: str, values: Values, default: Found) -> Iterator[Found]:
        name, start, length = (text_of(values, f"warc_{key}") for key in ("filename", "record_offset", "record_length"))
        url = text_of(values, *URL) or ""
        if not (name and start and length and start.isdecimal() and length.isdecimal()):
            yield refused(url, "bad_candidate", "no place in an archive (warc_filename, warc_record_offset, _length)")
            return
        if int(length) > MAX_RECORD_BYTES:
            yield refused(url, "too_large", f"a record of {length} bytes; {MAX_RECORD_BYTES} at most are read")
            return
        try:
            data = store.read_range(inside(name, archive, archive), int(start), int(start) + int(length))
            record = next(records(unpacked(io.BytesIO(data), len(data))), None)
        except (Outside, *DAMAGE) as error:
            yield refused(url, "bad_archive", str(error))
            return
        if record is None:
            yield refused(url, "bad_archive", f"no page starts at byte {start} of {name}")
            return
        default = replace(default, declared_lang=record.lang or default.declared_lang)
        yield from found_in_record(record, default, self.captioned_only)


def _rows(seed: str) -> Iterator[tuple[str, Row]]:
    """Yield the rows of a piece, each with its place; of Parquet only those that can be wanted."""
    if _is_parquet(piece_of(seed)[0]):
        yield from ((f"{seed}#row={row.number}", row) for row in _table_rows(*piece_of(seed)))
        return
    part = part_of(seed)
    for row in read_rows(part.uri):
        url = text_of(row.values or {}, *URL) or ""
        if part.has(site_of(url)) if site_of(url) else part.number == 0:
            yield f"{part.uri}#line={row.number}", row


def _table_rows(uri: str, groups: range | None) -> Iterator[Row]:
    number = 0
    try:
        for batch in _batches(uri, groups):
            for values in batch.to_pylist():
                number += 1
                yield Row(number=number, values=values)
    except (OSError, pa.ArrowException) as error:
        yield Row(number=number + 1, problem=f"the table ends here: {error}")


def _batches(uri: str, groups: range | None) -> Iterator[pa.RecordBatch]:
    with store.open_file(uri) as file:
        table = ds.ParquetFileFormat().make_fragment(pa.PythonFile(file), row_groups=groups)
        columns = plain_columns(table.physical_schema)
        # One batch after the other: a piece's rows are not all held.
        options = {"batch_size": 1024, "batch_readahead": 1, "use_threads": False}
        yield from table.scanner(columns=columns, filter=_filter(columns), **options).to_batches()


def _filter(columns: Sequence[str]) -> Any:
    """Build what Arrow passes over unread: answers that were no success, and types that are neither page nor audio."""
    kept: Any = pc.scalar(True)
    if "fetch_status" in columns:
        kept = pc.field("fetch_status").cast(pa.int64()) == 200
    mime = next((name for name in MIME if name in columns), None)
    if mime:
        kind = pc.field(mime).cast(pa.string())
        is_media = pc.starts_with(kind, "audio/") | pc.starts_with(kind, "video/")
        kept = kept & (kind.isin(sorted(HTML)) | is_media | kind.is_null())
    return kept


def _is_media(values: Values, url: str) -> bool:
    mime = text_of(values, *MIME)
    return is_video(mime or "", url) is not None and mime not in HTML


def _language(values: Values) -> str | None:
    return code_of((text_of(values, *LANGUAGE) or "").partition(",")[0])


def _is_parquet(uri: str) -> bool:
    return format_of(uri) == "parquet"
