"""What tables are declared with: column types, and a schema with a line of documentation for each column."""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 2

STRING = pa.string()
INT = pa.int64()
FLOAT = pa.float64()
BOOL = pa.bool_()
STRINGS = pa.list_(pa.string())


def table(name: str, columns: dict[str, tuple[pa.DataType, str]]) -> pa.Schema:
    """Declare a table: column name -> type and what it holds."""
    fields = [pa.field(key, kind, metadata={"doc": doc}) for key, (kind, doc) in columns.items()]
    return pa.schema(fields, metadata={"sotto.table": name, "sotto.schema_version": str(SCHEMA_VERSION)})
