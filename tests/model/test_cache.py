"""A shard is copied once for all processes, is what its index says, and makes room for others."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from pathlib import Path

import pytest

from model import cache
from model.cache import ShardCache
from pipeline import store
from pipeline.errors import DataError


def shard(folder: Path, name: str, size: int = 1000) -> tuple[str, int, str]:
    data = (name.encode() * size)[:size]
    store.publish(str(folder / name), data)
    return str(folder / name), len(data), hashlib.sha256(data).hexdigest()


def test_a_shard_is_copied_once_and_has_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CHUNK_BYTES", 300)
    kept, one = ShardCache(folder=tmp_path / "cache", max_bytes=5000), shard(tmp_path, "one")
    path = kept.fetch(*one)
    assert path.read_bytes() == Path(one[0]).read_bytes()
    Path(one[0]).unlink()
    assert kept.fetch(*one) == path


def test_the_least_recently_used_makes_room(tmp_path: Path) -> None:
    kept = ShardCache(folder=tmp_path / "cache", max_bytes=2500)
    shards = [shard(tmp_path, name) for name in ("one", "two", "three")]
    paths = [kept.fetch(*shards[0]), kept.fetch(*shards[1])]
    for age, path in zip((2_000, 1_000), paths, strict=True):
        os.utime(path, (age, age))
    kept.fetch(*shards[0])  # used again
    kept.fetch(*shards[2])
    assert [(tmp_path / "cache" / sha256).exists() for _, _, sha256 in shards] == [True, False, True]


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"x" + data[1:]])
def test_a_shard_that_is_not_its_index_s_leaves_nothing_behind(tmp_path: Path, damage) -> None:
    uri, num_bytes, sha256 = shard(tmp_path, "one")
    Path(uri).write_bytes(damage(Path(uri).read_bytes()))
    with pytest.raises(DataError, match="one does not have the 1000 bytes and sha256 of its index; run ingest again"):
        ShardCache(folder=tmp_path / "cache", max_bytes=5000).fetch(uri, num_bytes, sha256)
    assert [path.name for path in (tmp_path / "cache").iterdir() if not path.name.endswith(".lock")] == []


def _fetch(folder: Path, one: tuple[str, int, str], barrier) -> None:
    barrier.wait()
    ShardCache(folder=folder, max_bytes=5000).fetch(*one)


def test_processes_that_ask_at_once_share_one_copy(tmp_path: Path) -> None:
    one, context = shard(tmp_path, "one", 100_000), multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    children = [context.Process(target=_fetch, args=(tmp_path / "cache", one, barrier)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    assert sorted(path.name for path in (tmp_path / "cache").iterdir() if len(path.name) == 64) == [one[2]]
