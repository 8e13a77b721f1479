"""Tables keep to their schema and give the same bytes for the same rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import store, tables
from pipeline.errors import DataError
from pipeline.schema import TIMING

ROWS = [{"segment_id": "a:0", "chars_per_s": 12.5, "overrun_ms": 0, "max_cue_ms": None, "alignment_confidence": None}]


def test_the_same_rows_give_the_same_parquet_bytes_and_digest() -> None:
    one, two = (tables.from_rows(ROWS, TIMING) for _ in range(2))
    assert tables.to_parquet(one) == tables.to_parquet(two)
    assert tables.digest(one) == tables.digest(two)


def test_how_a_table_is_cut_into_chunks_changes_no_byte() -> None:
    texts = [f"{number} " * (number % 97) for number in range(20_000)]
    whole = pa.table({"text": texts})
    cut = pa.concat_tables([whole.slice(0, 1234), whole.slice(1234, 7000), whole.slice(8234)])
    assert tables.to_parquet(cut) == tables.to_parquet(whole)
    assert tables.digest(cut) == tables.digest(whole)


def test_the_digest_ignores_only_what_it_is_told_to() -> None:
    one = tables.from_rows(ROWS, TIMING)
    two = tables.from_rows([ROWS[0] | {"overrun_ms": 7}], TIMING)
    assert tables.digest(one) != tables.digest(two)
    assert tables.digest(one, ignore=["overrun_ms"]) == tables.digest(two, ignore=["overrun_ms"])


def test_a_column_too_many_or_too_few_is_named() -> None:
    table = pa.table({"segment_id": ["a:0"], "chars_per_second": [1.0]})
    lacks = r"'timing' lacks columns \['alignment_confidence', 'chars_per_s', "
    with pytest.raises(DataError, match=lacks + r".*unknown columns \['chars_per_second'\]"):
        tables.conform(table, TIMING)


def test_zipping_parts_of_different_segments_is_an_error() -> None:
    one = tables.from_rows(ROWS, TIMING)
    other = pa.table({"segment_id": ["b:0"], "kept": [True]})
    with pytest.raises(DataError, match="do not describe the same segments"):
        tables.zip_columns(one, other)


def test_zipping_adds_only_columns_that_are_new() -> None:
    one = tables.from_rows(ROWS, TIMING)
    other = pa.table({"segment_id": ["a:0"], "kept": [True]})
    assert tables.zip_columns(one, other).column_names == [*TIMING.names, "kept"]


def test_a_table_of_another_version_is_told(tmp_path: Path) -> None:
    uri = str(tmp_path / "part.parquet")
    store.publish(uri, tables.to_parquet(pa.table({"a": [1]})))
    with pytest.raises(DataError, match=r"part.parquet lacks columns \['b'\]; expected those of this version; run"):
        tables.read(uri, ["a", "b"])
