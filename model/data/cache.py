"""Bytes of shards, none of which is given before its shard was found to be what its index says.

A local shard is checked once by each process. A shard of a remote store is copied to this machine while it is read,
and the least recently used make room: the processes of a machine share one folder, a shard is fetched by one of
them while the others wait, and a copy that was removed under its reader is fetched again. The shards that the order
of a run comes to next are fetched ahead, in the background, as far as they and those in use fit the folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline import store
from pipeline.errors import DataError

CHUNK_BYTES = 8 << 20
MAX_OPEN = 64  # handles of local shards a process keeps


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
        path = self.path(shard)
        if not _touch(path):
            with self._lock(shard.sha256):
                self._copy(shard)
        return path

    def fetch_ahead(self, shard: ShardFile) -> None:
        """Copy a shard that will be asked for, unless another process is at it."""
        with suppress(BlockingIOError), self._lock(shard.sha256, fcntl.LOCK_EX | fcntl.LOCK_NB):
            self._copy(shard)

    def use(self, shard: ShardFile) -> bool:
        """Count a copy as used now; False when there is none."""
        return _touch(self.path(shard))

    def path(self, shard: ShardFile) -> Path:
        """Return where a shard's copy lies, or would."""
        return self.folder / shard.sha256

    def _copy(self, shard: ShardFile) -> None:
        path = self.path(shard)
        if not path.exists():
            self._make_room(shard.num_bytes)
            _copy(shard, path)

    @contextmanager
    def _lock(self, name: str, how: int = fcntl.LOCK_EX) -> Generator[None]:
        """Hold a name of the folder against the other processes; the kernel frees it when its holder dies."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.lock").open("w") as file:
            fcntl.flock(file, how)
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


class ReadAhead:
    """Fetches remote shards in the background, the soonest first; what it cannot fetch is its reader's to report."""

    def __init__(self, cache: ShardCache) -> None:
        """Fetch nothing yet."""
        self._cache = cache
        self._turn = 0

    def want(self, shards: Sequence[ShardFile]) -> None:
        """Fetch these shards as far as they fit the cache together, in place of what was wanted before."""
        self._turn += 1
        fitting, num_bytes = list[ShardFile](), 0
        for shard in shards:
            num_bytes += shard.num_bytes
            if num_bytes > self._cache.max_bytes:
                break
            fitting.append(shard)
        # What is here already must outlast what is no longer wanted, the soonest longest.
        absent = [shard for shard in reversed(fitting) if not self._cache.use(shard)][::-1]
        if absent:
            threading.Thread(target=self._fetch, args=(absent, self._turn), daemon=True).start()

    def _fetch(self, shards: Sequence[ShardFile], turn: int) -> None:
        for shard in shards:
            if turn != self._turn:
                return
            with suppress(DataError, OSError):
                self._cache.fetch_ahead(shard)


class ShardReader:
    """Reads ranges of shards that are whole."""

    def __init__(self, cache: ShardCache) -> None:
        """Keep copies of remote shards in the cache."""
        self._cache = cache
        self._open: OrderedDict[str, int] = OrderedDict()
        self._checked: set[str] = set()

    def __reduce__(self) -> tuple[type[ShardReader], tuple[ShardCache]]:
        """Travel to another process without the handles, which are this one's."""
        return ShardReader, (self._cache,)

    def __del__(self) -> None:
        """Close what is open."""
        for handle in self._open.values():
            os.close(handle)

    def read(self, shard: ShardFile, start: int, end: int) -> bytes:
        """Return the bytes from start to end of a shard; DataError when it is missing or not what it should be."""
        try:
            if not store.is_local(shard.uri):
                return self._read_copy(shard, start, end)
            return os.pread(self._handle(shard), end - start, start)
        except FileNotFoundError as error:
            raise DataError(f"shard {shard.shard_id} is missing at {shard.uri}; run ingest again") from error

    def _read_copy(self, shard: ShardFile, start: int, end: int) -> bytes:
        try:
            return store.read_range(str(self._cache.fetch(shard)), start, end)
        except FileNotFoundError:  # made room for another between the two
            return store.read_range(str(self._cache.fetch(shard)), start, end)

    def _handle(self, shard: ShardFile) -> int:
        """Return an open file that was checked when this process first opened it; the file, not its name, is whole."""
        if shard.uri not in self._open:
            handle = os.open(store.local_path(shard.uri), os.O_RDONLY)
            try:
                self._check(shard, handle)
            except DataError:
                os.close(handle)
                raise
            self._open[shard.uri] = handle
        self._open.move_to_end(shard.uri)
        if len(self._open) > MAX_OPEN:
            os.close(self._open.popitem(last=False)[1])
        return self._open[shard.uri]

    def _check(self, shard: ShardFile, handle: int) -> None:
        stat = os.fstat(handle)
        version = f"{shard.uri} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"
        if version in self._checked:
            return
        with open(handle, "rb", closefd=False) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if stat.st_size != shard.num_bytes or digest != shard.sha256:
            raise _damaged(shard, stat.st_size)
        self._checked.add(version)


def _touch(path: Path) -> bool:
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


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
