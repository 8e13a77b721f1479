"""Open stored files, gzipped or not, as a stream with bounds: a bomb is found out before it has cost much."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from pipeline import store

MAX_RATIO = 200  # web archives gzip 5:1, manifests up to 50:1; zeros gzip 1000:1
FREE_BYTES = 64 << 20  # below this nobody counts
BUFFER_BYTES = 1 << 18
_GZIP = b"\x1f\x8b"

# What reading a damaged file raises, from gzip and from zlib below it, or from the store.
DAMAGE = (OSError, EOFError, zlib.error)


class Bomb(OSError):
    """A file that unpacks to more than a file of its size holds."""


@contextmanager
def open_unpacked(uri: str) -> Generator[io.BufferedIOBase]:
    """Open a file to read from its start, unpacked if gzipped; reading may raise DAMAGE, of which Bomb is one."""
    with store.open_file(uri) as file:
        yield unpacked(file, store.size(uri))


def unpacked(file: io.BufferedIOBase, num_bytes: int) -> io.BufferedIOBase:
    """Return a file of so many bytes as a stream from its start, unpacked if gzipped."""
    is_packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    return io.BufferedReader(_Bounded(file, num_bytes), BUFFER_BYTES) if is_packed else file


class _Bounded(io.RawIOBase):
    """The unpacked bytes of a gzip file, all its members, counted."""

    def __init__(self, file: io.BufferedIOBase, num_bytes: int) -> None:
        self._members = gzip.GzipFile(fileobj=file)
        self._left = max(FREE_BYTES, MAX_RATIO * num_bytes)
        self._limit = self._left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._members.read1(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise Bomb(f"it unpacks to more than {self._limit} bytes")
        buffer[: len(data)] = data
        return len(data)
