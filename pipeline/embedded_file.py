"""Files that lie inside a Parquet table or a tar: their addresses, and how to read one without the rest.

'x.parquet#column=audio&row=17' is a cell, bytes or a struct with a field 'bytes' as Hugging Face writes audio;
'x.tar#member=a%2Fb.wav&at=1536' is a member whose header starts at that byte, and has to be the member named.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import store

BUFFER_BYTES = 1 << 20  # of a column that is read in a stream: a row group of audio has hundreds of megabytes


def in_table(uri: str, column: str, row: int) -> str:
    """Write the address of a cell; rows are counted from 0 over the whole file."""
    return f"{uri}#{urlencode({'column': column, 'row': row})}"


def in_tar(uri: str, member: str, at: int) -> str:
    """Write the address of a tar's member, whose header starts at byte `at`."""
    return f"{uri}#{urlencode({'member': member, 'at': at})}"


def is_embedded(address: str) -> bool:
    """Tell whether an address is of a file inside another; a '#' in a file's own name is none."""
    return set(_split(address)[1]) in ({"column", "row"}, {"member", "at"})


def read(address: str) -> bytes:
    """Read a file inside another; OSError says what is not there or damaged."""
    uri, place = _split(address)
    try:
        if "row" in place:
            return _cell(uri, place["column"], int(place["row"]))
        return _member(uri, place["member"], int(place["at"]))
    except (KeyError, ValueError, tarfile.TarError, pa.ArrowException) as error:
        raise OSError(f"{address} cannot be read: {error}") from error


def _split(address: str) -> tuple[str, Mapping[str, str]]:
    uri, _, fragment = address.rpartition("#")
    return uri, dict(parse_qsl(fragment))


def _cell(uri: str, column: str, row: int) -> bytes:
    with store.open_file(uri) as file:
        table = pq.ParquetFile(file, pre_buffer=False, buffer_size=BUFFER_BYTES)
        left = row
        for group in range(table.num_row_groups):
            num_rows = table.metadata.row_group(group).num_rows
            if 0 <= left < num_rows:
                return _bytes(_row(table, group, column, left), uri)
            left -= num_rows
    raise KeyError(f"the table has no row {row}")


def _row(table: pq.ParquetFile, group: int, column: str, row: int) -> Any:
    for batch in table.iter_batches(batch_size=16, row_groups=[group], columns=[column]):
        if row < batch.num_rows:
            return batch.column(column)[row].as_py()
        row -= batch.num_rows
    raise KeyError(f"row group {group} is shorter than the table says")


def _bytes(value: Any, uri: str) -> bytes:
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes):
        raise ValueError(f"the cell holds {type(data).__name__}, no bytes")
    return data


def _member(uri: str, member: str, at: int) -> bytes:
    with store.open_file(uri) as file:
        file.seek(at)
        with tarfile.open(fileobj=file, mode="r:") as tar:
            info = tar.next()
            content = tar.extractfile(info) if info and info.isreg() and info.name == member else None
            if info is None or content is None:
                raise KeyError(f"no file {member!r} starts there")
            data = content.read()
    if len(data) < info.size:
        raise ValueError(f"it is cut short, {len(data)} of {info.size} bytes")
    return data
