"""Bytes are published whole, once, and under their hash."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pipeline import store


def test_a_published_file_reads_back_and_leaves_no_temporary_behind(tmp_path: Path) -> None:
    uri = store.join(str(tmp_path), "a", "b.bin")
    store.publish(uri, b"one")
    store.publish(uri, b"two")
    assert store.read_bytes(uri) == b"two"
    assert store.list_names(store.join(str(tmp_path), "a")) == ["b.bin"]


def test_a_failed_write_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = str(tmp_path / "b.bin")
    store.publish(uri, b"old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        store.publish(uri, b"new")
    assert store.read_bytes(uri) == b"old"


def test_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    first = store.put_blob(str(tmp_path), b"sound")
    uri = store.blob_uri(str(tmp_path), first)
    before = Path(uri).stat().st_mtime_ns
    assert store.put_blob(str(tmp_path), b"sound") == first
    assert Path(uri).stat().st_mtime_ns == before
    assert store.read_bytes(uri) == b"sound"


def test_a_blob_of_the_wrong_size_is_written_again(tmp_path: Path) -> None:
    digest = store.put_blob(str(tmp_path), b"sound")
    Path(store.blob_uri(str(tmp_path), digest)).write_bytes(b"sou")
    store.put_blob(str(tmp_path), b"sound")
    assert store.read_bytes(store.blob_uri(str(tmp_path), digest)) == b"sound"


@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_local_and_remote_stores_answer_alike(scheme: str, tmp_path: Path) -> None:
    root = f"{scheme}{tmp_path}"
    uri = store.join(root, "x", "y.txt")
    assert not store.exists(uri)
    assert store.list_names(store.join(root, "x")) == []
    store.publish(uri, b"0123456789")
    assert store.exists(uri)
    assert store.size(uri) == 10
    assert store.read_range(uri, 2, 5) == b"234"
    assert store.list_names(store.join(root, "x")) == ["y.txt"]
    store.publish(store.join(root, "x", "deep", "z.txt"), b"1")
    [(first, written_s), (second, _)] = store.walk(store.join(root, "x"))
    assert (first, second) == ("deep/z.txt", "y.txt") and abs(time.time() - written_s) < 60
    assert store.remove(uri) and not store.remove(uri) and not store.exists(uri)
    assert list(store.walk(store.join(root, "none"))) == []


@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_files_below_a_folder_are_listed_stamped_and_opened(scheme: str, tmp_path: Path) -> None:
    root = f"{scheme}{tmp_path}/files"
    for name in ("b/c.txt", "a.txt", ".hidden/x.txt", "b/.part"):
        store.publish(store.join(root, name), b"0123456789")
    uris = store.list_files(root)
    assert uris == [store.join(root, "a.txt"), store.join(root, "b/c.txt")]
    with store.open_file(uris[0]) as file:
        file.seek(4)
        assert file.read(2) == b"45"
    before = store.stamp(uris[0])
    store.publish(uris[0], b"longer than it was")
    assert store.stamp(uris[0]) != before
    assert store.stamp(store.join(root, "none")) == "missing"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_copy_holds_the_bytes_and_what_is_published_over_either_leaves_the_other(
    has_links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    first, second = str(tmp_path / "a" / "file"), str(tmp_path / "b" / "file")
    store.publish(first, b"old")
    for _ in range(2):
        store.copy(first, second)
        assert store.read_bytes(second) == b"old"
    store.publish(second, b"new")
    assert (store.read_bytes(first), store.read_bytes(second)) == (b"old", b"new")
    assert store.list_names(str(tmp_path / "b")) == ["file"]
