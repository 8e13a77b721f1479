"""Rows of the tables people list audio in: JSON lines, CSV or TSV, and Parquet; a row at a time, whatever the size.

What is no row stays one, with the problem it has; the end of a damaged file is such a row.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn, cast

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.suffixes import suffix_of
from pipeline.unpacked import DAMAGE, open_unpacked

FORMATS = frozenset({"jsonl", "json", "ndjson", "csv", "tsv", "parquet"})
MAX_LINE_BYTES = 16 << 20  # a whole recording's supervisions may stand on one line
MAX_SECONDS = 10_000_000.0
_BATCH_ROWS = 1024

# What people call the columns of a listing, the plainest first.
AUDIO_COLUMNS = (
    *("audio_url", "audio", "audio_uri", "audio_filepath", "audio_path", "file_name", "path", "uri"),
    *("media_url", "url"),
)
CAPTION_COLUMNS = ("text_url", "caption", "caption_url", "captions", "transcript", "transcript_url", "subtitles")
TEXT_COLUMNS = ("text", "transcription", "sentence")
LANG_COLUMNS = ("language", "lang", "locale", "declared_lang")

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row: its line or number counted from 1, and its values or why there are none."""

    number: int
    values: Values | None = None
    problem: str | None = None


def format_of(name: str) -> str:
    """Return the format a file's name tells, behind .gz too; '' for one that is no table."""
    suffix = suffix_of(name.removesuffix(".gz"))
    return suffix if suffix in FORMATS else ""


def read_rows(uri: str) -> Iterator[Row]:
    """Yield a stored table's rows in order; a file that is not there or not whole ends with a row that says so."""
    number = 0
    try:
        with open_unpacked(uri) as stream:
            for row in rows_in(stream, uri):
                number = row.number
                yield row
    except DAMAGE as error:
        reason = getattr(error, "strerror", None) or str(error)
        yield Row(number=number + 1, problem=f"the file ends here: {reason}")


def rows_in(stream: io.BufferedIOBase, name: str) -> Iterator[Row]:
    """Yield the rows of a table in the format its name tells; JSON lines where it tells none."""
    kind = format_of(name)
    if kind == "parquet":
        return _parquet(stream)
    return _csv(stream, "\t" if kind == "tsv" else ",") if kind in ("csv", "tsv") else _json_lines(stream)


def text_of(values: Values, *names: str) -> str | None:
    """Return the first of the columns that holds text or a number, stripped; None where none does."""
    for name in names:
        value = values.get(name)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip().encode("utf-8", "replace").decode()  # JSON can write half a surrogate pair
    return None


def seconds_ms(value: Any) -> int | None:
    """Return the ms of a number of seconds; None for what is no time: negative, endless, not a number."""
    try:
        seconds = math.nan if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return round(seconds * 1000) if 0 <= seconds <= MAX_SECONDS else None


def parse_object(data: bytes) -> Values:
    """Parse a JSON object nobody vouches for, in UTF-8; ValueError says what is wrong with it."""
    try:
        value = _DECODER.decode(data.decode("utf-8-sig", "replace"))
    except RecursionError as error:
        raise ValueError("JSON nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, not {type(value).__name__}")
    return cast(Values, value)


def _json_lines(stream: io.BufferedIOBase) -> Iterator[Row]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE_BYTES)
            yield Row(number=number, problem=f"a line of more than {MAX_LINE_BYTES} bytes")
        elif line.strip(b"\xef\xbb\xbf \t\r\n"):
            yield _json_row(number, line)


def _json_row(number: int, line: bytes) -> Row:
    try:
        return Row(number=number, values=parse_object(line))
    except ValueError as error:
        return Row(number=number, problem=f"no JSON object: {error}")


def _csv(stream: io.BufferedIOBase, delimiter: str) -> Iterator[Row]:
    lines = io.TextIOWrapper(cast(BinaryIO, stream), "utf-8-sig", "replace", newline="")
    reader = csv.DictReader(lines, delimiter=delimiter, restkey="", strict=False)
    try:
        for values in reader:
            yield Row(number=reader.line_num, values=values)
    except csv.Error as error:  # a quote that never closes runs into csv's own limit of a field
        yield Row(number=reader.line_num + 1, problem=f"the file ends here: {error}")


def _parquet(stream: io.BufferedIOBase) -> Iterator[Row]:
    number = 0
    try:
        table = pq.ParquetFile(stream)
        for batch in table.iter_batches(_BATCH_ROWS, columns=plain_columns(table.schema_arrow)):
            for values in batch.to_pylist():
                number += 1
                yield Row(number=number, values=values)
    except pa.ArrowException as error:
        yield Row(number=number + 1, problem=f"the table ends here: {error}")


def plain_columns(schema: pa.Schema) -> list[str]:
    """Name a table's columns of text, numbers and marks: audio in the table is read by its address only."""
    kinds = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string)
    kinds = (*kinds, pa.types.is_large_string, pa.types.is_dictionary)
    plain = [field for field in schema if any(is_kind(field.type) for is_kind in kinds)]
    return [field.name for field in plain]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
