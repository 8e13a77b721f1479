"""The recordings of a segment part: where each begins, its whole text, its whole sound print."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.dedup.strings import hashes

I64 = NDArray[np.int64]


def bounds_of(segments: pa.Table) -> I64:
    """Return the first row of each recording, in order, and the number of rows; its segments stand together."""
    keys = hashes(segments["recording_id"])
    is_first = np.ones(len(keys), bool)
    is_first[1:] = keys[1:] != keys[:-1]
    return np.append(np.flatnonzero(is_first), len(keys))


def texts_of(segments: pa.Table, bounds: I64) -> pa.Array:
    """Return each recording's text; empty where it has none."""
    texts = segments["text"].combine_chunks().fill_null("")
    if len(bounds) - 1 == len(texts):
        return texts
    lists = pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), texts)
    return pc.binary_join(lists, " ")


def codes_of(segments: pa.Table, bounds: I64) -> pa.ListArray:
    """Return each recording's sound print; empty where its audio could not be heard."""
    windows = segments["codes"].combine_chunks()
    lengths = pc.list_value_length(windows).fill_null(0).to_numpy()
    places = np.append(0, np.cumsum(lengths))[bounds]
    return pa.ListArray.from_arrays(pa.array(places, pa.int32()), windows.flatten())
