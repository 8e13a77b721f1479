"""A shard is copied once for all processes, is what its index says, and makes room for others."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from model import cache
from model.cache import ShardCache, ShardReader
from pipeline import store
from pipeline.errors import DataError


@dataclass(frozen=True)
class Tar:
    shard_id: str
    uri: str
    num_bytes: int
    sha256: str


def shard(folder: Path, name: str, size: int = 1000) -> Tar:
    data = (name.encode() * size)[:size]
    store.publish(str(folder / name), data)
    return Tar(name, str(folder / name), len(data), hashlib.sha256(data).hexdigest())


def test_a_shard_is_copied_once_and_has_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CHUNK_BYTES", 300)
    kept, one = ShardCache(folder=tmp_path / "cache", max_bytes=5000), shard(tmp_path, "one")
    path = kept.fetch(one)
    assert path.read_bytes() == Path(one.uri).read_bytes()
    Path(one.uri).unlink()
    assert kept.fetch(one) == path


def test_the_least_recently_used_makes_room(tmp_path: Path) -> None:
    kept = ShardCache(folder=tmp_path / "cache", max_bytes=2500)
    shards = [shard(tmp_path, name) for name in ("one", "two", "three")]
    paths = [kept.fetch(shards[0]), kept.fetch(shards[1])]
    for age, path in zip((2_000, 1_000), paths, strict=True):
        os.utime(path, (age, age))
    kept.fetch(shards[0])  # used again
    kept.fetch(shards[2])
    assert [(tmp_path / "cache" / item.sha256).exists() for item in shards] == [True, False, True]


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"x" + data[1:]])
def test_a_shard_that_is_not_its_index_s_leaves_nothing_behind(tmp_path: Path, damage) -> None:
    one = shard(tmp_path, "one")
    Path(one.uri).write_bytes(damage(Path(one.uri).read_bytes()))
    with pytest.raises(DataError, match="shard one is damaged: .* expected 1000 bytes; remove .* and run ingest again"):
        ShardCache(folder=tmp_path / "cache", max_bytes=5000).fetch(one)
    assert [path.name for path in (tmp_path / "cache").iterdir() if not path.name.endswith(".lock")] == []


def _fetch(folder: Path, one: Tar, barrier) -> None:
    barrier.wait()
    ShardCache(folder=folder, max_bytes=5000).fetch(one)


def test_processes_that_ask_at_once_share_one_copy(tmp_path: Path) -> None:
    one, context = shard(tmp_path, "one", 100_000), multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    children = [context.Process(target=_fetch, args=(tmp_path / "cache", one, barrier)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    assert sorted(path.name for path in (tmp_path / "cache").iterdir() if len(path.name) == 64) == [one.sha256]


def test_a_copy_that_made_room_under_its_reader_is_fetched_again(bucket: str, tmp_path: Path) -> None:
    data = b"0123456789"
    store.publish(f"{bucket}/one", data)
    one = Tar("one", f"{bucket}/one", len(data), hashlib.sha256(data).hexdigest())
    kept = ShardCache(folder=tmp_path / "cache", max_bytes=50)
    assert ShardReader(kept).read(one, 2, 5) == b"234"
    fetch = ShardCache.fetch
    gone = iter([True, False])

    def fetch_and_lose(cache: ShardCache, shard: Tar) -> Path:
        path = fetch(cache, shard)
        if next(gone):
            path.unlink()
        return path

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ShardCache, "fetch", fetch_and_lose)
        assert ShardReader(kept).read(one, 2, 5) == b"234"


def test_a_remote_shard_that_is_missing_is_named(bucket: str, tmp_path: Path) -> None:
    gone = Tar("one", f"{bucket}/gone", 10, "0" * 64)
    with pytest.raises(DataError, match="shard one is missing at s3://.*/gone; run ingest again"):
        ShardReader(ShardCache(folder=tmp_path, max_bytes=50)).read(gone, 0, 1)
