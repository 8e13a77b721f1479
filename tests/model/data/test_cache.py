"""A shard is copied once for all processes, is what its index says, and makes room for others."""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import pickle
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from model.data import cache
from model.data.cache import ReadAhead, ShardCache, ShardReader
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


def copies(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if len(path.name) == 64}


def wait_for_fetching() -> None:
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon and "_fetch" in thread.name:
            thread.join(20)


def test_what_is_wanted_is_fetched_in_the_background_as_far_as_it_fits(tmp_path: Path) -> None:
    kept = ShardCache(folder=tmp_path / "cache", max_bytes=2500)
    ahead, shards = ReadAhead(kept), [shard(tmp_path, name) for name in ("one", "two", "three", "four")]
    ahead.want(shards[:3])
    wait_for_fetching()
    assert copies(tmp_path / "cache") == {shards[0].sha256, shards[1].sha256}
    ahead.want(shards[1:])
    wait_for_fetching()
    assert copies(tmp_path / "cache") == {shards[1].sha256, shards[2].sha256}


def test_what_is_wanted_and_here_outlasts_what_is_no_longer_wanted(tmp_path: Path) -> None:
    kept = ShardCache(folder=tmp_path / "cache", max_bytes=2500)
    ahead, shards = ReadAhead(kept), [shard(tmp_path, name) for name in ("one", "two", "three")]
    ahead.want(shards[:1])
    wait_for_fetching()
    kept.fetch(shards[1])
    for age, one in ((1_000, shards[0]), (2_000, shards[1])):  # the first was fetched earlier, and not read yet
        os.utime(kept.path(one), (age, age))
    ahead.want([shards[0], shards[2]])
    wait_for_fetching()
    assert copies(tmp_path / "cache") == {shards[0].sha256, shards[2].sha256}


def test_a_shard_that_another_process_fetches_is_left_to_it(tmp_path: Path) -> None:
    kept, one = ShardCache(folder=tmp_path / "cache", max_bytes=2500), shard(tmp_path, "one")
    with kept._lock(one.sha256):  # pyright: ignore[reportPrivateUsage]
        kept.fetch_ahead(one)
        assert copies(tmp_path / "cache") == set()
    kept.fetch_ahead(one)
    assert copies(tmp_path / "cache") == {one.sha256}


def test_what_cannot_be_fetched_ahead_is_passed_over_and_named_by_its_reader(tmp_path: Path) -> None:
    kept, two = ShardCache(folder=tmp_path / "cache", max_bytes=2500), shard(tmp_path, "two")
    gone = Tar("one", str(tmp_path / "gone"), 10, "0" * 64)
    ReadAhead(kept).want([gone, two])
    wait_for_fetching()
    assert copies(tmp_path / "cache") == {two.sha256}
    with pytest.raises(DataError, match="shard one is missing at .*/gone"):
        ShardReader(kept).read(gone, 0, 1)


def open_files(folder: Path) -> list[str]:
    targets = [Path(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    return [
        name for name in (os.readlink(path) for path in targets if path.is_symlink()) if name.startswith(str(folder))
    ]


def test_a_reader_keeps_few_files_open_closes_them_and_travels_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MAX_OPEN", 2)
    reader = ShardReader(ShardCache(folder=tmp_path / "cache", max_bytes=5000))
    shards = [shard(tmp_path, name) for name in ("one", "two", "three")]
    for turn in range(3):
        assert [reader.read(item, turn, turn + 1) for item in shards] == [
            (item.shard_id * 2)[turn : turn + 1].encode() for item in shards
        ]
    assert len(open_files(tmp_path)) == 2
    assert pickle.loads(pickle.dumps(reader)).read(shards[0], 0, 3) == b"one"
    del reader
    gc.collect()
    assert open_files(tmp_path) == []
