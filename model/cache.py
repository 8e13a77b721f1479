"""Shards of a remote store, copied to this machine while they are read; the least recently used make room.

The processes of a machine share one folder: a shard is fetched by one of them while the others wait, and a file that
was removed under a reader is fetched again. A copy has the sha256 of its index, or it is never seen.
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

from pipeline import store
from pipeline.errors import DataError

CHUNK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCache:
    """A folder of this machine's disk and how much of it shards may take."""

    folder: Path
    max_bytes: int

    def fetch(self, uri: str, num_bytes: int, sha256: str) -> Path:
        """Return the local copy of a shard; FileNotFoundError or DataError when the store has it not, or another."""
        path = self.folder / sha256
        with self._lock(sha256):
            if not path.exists():
                self._make_room(num_bytes)
                _copy(uri, path, num_bytes, sha256)
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


def _copy(uri: str, path: Path, num_bytes: int, sha256: str) -> None:
    """Copy a shard under its final name once all of it is there and right."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    digest, size = hashlib.sha256(), 0
    try:
        with part.open("wb") as file:
            while size < num_bytes and (chunk := store.read_range(uri, size, min(size + CHUNK_BYTES, num_bytes))):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        if size != num_bytes or store.size(uri) != num_bytes or digest.hexdigest() != sha256:
            raise DataError(f"{uri} does not have the {num_bytes} bytes and sha256 of its index; run ingest again")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
