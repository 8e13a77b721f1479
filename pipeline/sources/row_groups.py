"""Parquet tables in pieces: seeds of some row groups each, so that a large table is many units of work."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import store
from pipeline.sources.found import Seed

ROWS_PER_PIECE = 100_000


class NotTable(Exception):
    """A file that is no Parquet table; the message says why."""


def table_seeds(uri: str, rows: int = ROWS_PER_PIECE) -> list[Seed]:
    """Return a table's pieces, of about so many rows; a file that is no table is one piece, which will say so."""
    stamp = store.stamp(uri)
    try:
        with store.open_file(uri) as file:
            metadata = pq.read_metadata(file)
    except (OSError, pa.ArrowException):
        return [Seed(url=uri, validator=stamp)]
    pieces: list[list[int]] = []
    num_rows = rows
    for group in range(metadata.num_row_groups):
        if num_rows >= rows:
            pieces.append([])
            num_rows = 0
        pieces[-1].append(group)
        num_rows += metadata.row_group(group).num_rows
    if len(pieces) <= 1:
        return [Seed(url=uri, validator=stamp)]
    urls = [f"{uri}#groups={piece[0]}-{piece[-1]}" for piece in pieces]
    return [Seed(url=url, validator=stamp, is_large=True) for url in urls]


def piece_of(seed: str) -> tuple[str, range | None]:
    """Return a piece's table and row groups, None for all."""
    uri, _, fragment = seed.rpartition("#groups=")
    if not uri:
        return seed, None
    first, _, last = fragment.partition("-")
    return uri, range(int(first), int(last) + 1)
