"""Arrow tables on disk: Parquet parts with a checked schema and the same bytes for the same rows."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import store
from pipeline.errors import DataError

ROW_GROUP_ROWS = 65_536
PARTITION = "partition"


def from_rows(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Build a table from dictionaries; a column no row names is an error, so that no field is forgotten."""
    missing = [name for name in schema.names if rows and name not in rows[0]]
    assert not missing, f"rows lack {missing}"
    return pa.Table.from_pylist(list(rows), schema=schema)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with exactly the schema's columns, order and types, or say which column differs."""
    name = (schema.metadata or {}).get(b"sotto.table", b"table").decode()
    missing = sorted(set(schema.names) - set(table.column_names))
    extra = sorted(set(table.column_names) - set(schema.names))
    if missing or extra:
        raise DataError(
            f"table {name!r} lacks columns {missing} and has unknown columns {extra}; expected {schema.names}"
        )
    return table.select(schema.names).cast(schema)


def to_parquet(table: pa.Table, partitions: int = 0) -> bytes:
    """Serialise a table; the same rows give the same bytes with the same pyarrow.

    With `partitions`, rows sorted by PARTITION become one row group for each of them, empty ones included.
    """
    table = table.combine_chunks()  # where chunks end, pages may
    sink = io.BytesIO()
    # Zstd finds what repeats: trying a dictionary first takes twice the time and gives larger files (measured 2026-11).
    with pq.ParquetWriter(sink, table.schema, compression="zstd", use_dictionary=False) as writer:
        if not partitions:
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        for group in _groups(table, partitions):
            writer.write_table(group, row_group_size=max(1, group.num_rows))
    return sink.getvalue()


def read(uri: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read one Parquet part, or only some of its columns; DataError where an older Sotto wrote none of that name."""
    # Not read_table: its threads may hold a Python file when the interpreter ends, and abort the process.
    table = pq.ParquetFile(pa.BufferReader(store.read_bytes(uri))).read(columns=list(columns) if columns else None)
    missing = [name for name in columns or () if name not in table.column_names]
    if missing:
        raise DataError(f"table {uri} lacks columns {missing}; expected those of this version; run ingest again")
    return table.select(columns) if columns else table


def read_group(uri: str, group: int, columns: Sequence[str] | None = None) -> pa.Table:
    """Read one row group of a Parquet part, and no more of the file than that."""
    with store.open_file(uri) as file:
        return pq.ParquetFile(file).read_row_group(group, columns=list(columns) if columns else None)


def digest(table: pa.Table, ignore: Sequence[str] = ()) -> str:
    """Hash a table's rows in their order, without some columns (times of a run)."""
    kept = table.select([name for name in table.column_names if name not in ignore])
    sink = _Digest()
    with pa.ipc.new_stream(sink, kept.schema) as writer:
        writer.write_table(kept.combine_chunks())
    return sink.sha256.hexdigest()


def zip_columns(first: pa.Table, *others: pa.Table) -> pa.Table:
    """Put tables of the same rows side by side; their segment_id columns must be equal."""
    joined = first
    for other in others:
        if not other["segment_id"].equals(first["segment_id"]):
            raise DataError("two parts do not describe the same segments in the same order; run ingest again")
        for name in other.column_names:
            if name not in joined.column_names:
                joined = joined.append_column(other.schema.field(name), other[name])
    return joined


class _Digest(io.RawIOBase):
    """A file that keeps the hash of what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Any) -> int:
        """Hash some bytes."""
        self.sha256.update(data)
        return len(data)


def _groups(table: pa.Table, partitions: int) -> Iterator[pa.Table]:
    if not partitions:
        return
    numbers = table[PARTITION].to_numpy()
    assert (numbers[1:] >= numbers[:-1]).all(), f"rows are not sorted by {PARTITION}"
    bounds = [int(bound) for bound in np.searchsorted(numbers, np.arange(partitions + 1))]
    assert bounds[0] == 0 and bounds[-1] == table.num_rows, f"{PARTITION} is not in 0 to {partitions}"
    yield from (table.slice(start, end - start) for start, end in pairwise(bounds))
