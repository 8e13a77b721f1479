"""Columns of strings as compiled code takes them, and hashes of them that stay the same for good."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.dedup.kernels import I64, U8, U64, string_hashes


def hashes(strings: pa.Array | pa.ChunkedArray) -> U64:
    """Return 64 bits for each string; 0 for null."""
    whole = strings.combine_chunks() if isinstance(strings, pa.ChunkedArray) else strings
    data, offsets = buffers(whole)
    found = string_hashes(data, offsets)
    if whole.null_count:
        found[whole.is_null().to_numpy(zero_copy_only=False)] = 0
    return found


def buffers(strings: pa.Array) -> tuple[U8, I64]:
    """Return the UTF-8 bytes of strings and where each begins and ends; null is empty."""
    whole = strings.fill_null("").cast(pa.large_string())
    _, offsets, data = whole.buffers()
    places = np.frombuffer(offsets, np.int64)[whole.offset : whole.offset + len(whole) + 1]
    return np.frombuffer(data or b"", np.uint8), places
