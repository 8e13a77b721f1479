"""Bytes of shards, none of which is given before its shard was found to be what its index says.

A local shard is checked once by each process. A shard of a remote store is copied to this machine while it is read,
and the least recently used make room: the processes of a machine share one folder, a shard is fetched by one of
them while the others wait, and a copy that was removed under its reader is fetched again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline import store
from pipeline.errors import DataError

CHUNK_BYTES = 8 << 20


class ShardFile(Protocol):
    """Where a shard is and what it must be."""

    @property
    def shard_id(self) -> str:
        """Name of the shard."""
        ...

    @property
    def uri(self) -> str:
        """Address of the tar."""
        ...

    @property
    def num_bytes(self) -> int:
        """Size of the tar."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of the tar."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCache:
    """A folder of this machine's disk and how much of it shards may take."""

    folder: Path
    max_bytes: int

    def fetch(self, shard: ShardFile) -> Path:
        """Return the local copy of a shard; FileNotFoundError or DataError when the store has it not, or another."""
        path = self.folder / shard.sha256
        with self._lock(shard.sha256):
            if not path.exists():
                self._make_room(shard.num_bytes)
                _copy(shard, path)
            os.utime(path)
        return path

    @contextmanager
    def _lock(self, name: str) -> Generator[None]:
        """Hold a name of the folder against the other processes; the kernel frees it when its holder dies."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _make_room(self, num_bytes: int) -> None:
        with self._lock("room"):
            shards = [(path, path.stat()) for path in self.folder.iterdir() if len(path.name) == 64]
            used = sum(stat.st_size for _, stat in shards)
            for path, stat in sorted(shards, key=lambda shard: shard[1].st_mtime_ns):
                if used + num_bytes <= self.max_bytes:
                    return
                path.unlink(missing_ok=True)
                used -= stat.st_size


class ShardReader:
    """Reads ranges of shards that are whole."""

    def __init__(self, cache: ShardCache) -> None:
        """Keep copies of remote shards in the cache."""
        self._cache = cache
        self._checked: set[str] = set()

    def read(self, shard: ShardFile, start: int, end: int) -> bytes:
        """Return the bytes from start to end of a shard; DataError when it is missing or not what it should be."""
        try:
            if not store.is_local(shard.uri):
                return self._read_copy(shard, start, end)
            self._check(shard)
            return store.read_range(shard.uri, start, end)
        except FileNotFoundError as error:
            raise DataError(f"shard {shard.shard_id} is missing at {shard.uri}; run ingest again") from error

    def _read_copy(self, shard: ShardFile, start: int, end: int) -> bytes:
        try:
            return store.read_range(str(self._cache.fetch(shard)), start, end)
        except FileNotFoundError:  # made room for another between the two
            return store.read_range(str(self._cache.fetch(shard)), start, end)

    def _check(self, shard: ShardFile) -> None:
        if shard.uri in self._checked:
            return
        data = store.read_bytes(shard.uri)
        if len(data) != shard.num_bytes or hashlib.sha256(data).hexdigest() != shard.sha256:
            raise _damaged(shard, len(data))
        self._checked.add(shard.uri)


def _damaged(shard: ShardFile, num_bytes: int) -> DataError:
    return DataError(
        f"shard {shard.shard_id} is damaged: {num_bytes} bytes do not have the size or sha256 of its index; "
        f"expected {shard.num_bytes} bytes; remove {shard.uri} and run ingest again"
    )


def _copy(shard: ShardFile, path: Path) -> None:
    """Copy a shard under its final name once all of it is there and right."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    digest, num_bytes = hashlib.sha256(), store.size(shard.uri)
    try:
        with part.open("wb") as file:
            for start in range(0, num_bytes if num_bytes == shard.num_bytes else 0, CHUNK_BYTES):
                chunk = store.read_range(shard.uri, start, min(start + CHUNK_BYTES, num_bytes))
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != shard.sha256:
            raise _damaged(shard, num_bytes)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
