"""Bytes at a URI, local or s3://: read, list, and publish whole or not at all.

A URI is a plain path or anything fsspec opens. Nothing here retries: the executor does.
"""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import fsspec  # pyright: ignore[reportMissingTypeStubs]

BLOB_FANOUT = 2
BLOB_SCHEME = "blob:"


def is_local(uri: str) -> bool:
    """Tell whether a URI is a path on this machine."""
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> Path:
    """Return the path of a local URI."""
    return Path(uri.removeprefix("file://"))


def join(uri: str, *names: str) -> str:
    """Append names to a URI."""
    return "/".join([uri.rstrip("/"), *names])


def exists(uri: str) -> bool:
    """Tell whether a file or folder is there."""
    if is_local(uri):
        return local_path(uri).exists()
    return bool(_remote(uri).exists(uri))


def size(uri: str) -> int:
    """Return the size of a file in bytes; FileNotFoundError when it is not there."""
    if is_local(uri):
        return local_path(uri).stat().st_size
    return int(_remote(uri).info(uri)["size"])


def read_bytes(uri: str) -> bytes:
    """Read a whole file; FileNotFoundError when it is not there."""
    if is_local(uri):
        return local_path(uri).read_bytes()
    return cast(bytes, _remote(uri).cat_file(uri))


def read_range(uri: str, start: int, end: int) -> bytes:
    """Read bytes start to end (exclusive) of a file."""
    if is_local(uri):
        with local_path(uri).open("rb") as file:
            file.seek(start)
            return file.read(end - start)
    return cast(bytes, _remote(uri).cat_file(uri, start=start, end=end))


def open_file(uri: str) -> io.BufferedReader:
    """Open a file to read parts of it; FileNotFoundError when it is not there."""
    if is_local(uri):
        return local_path(uri).open("rb")
    return io.BufferedReader(_remote(uri).open(uri, "rb"))


def stamp(uri: str) -> str:
    """Return what changes when a file does: size and time on a disk, what the store says of an object, or 'missing'."""
    if is_local(uri):
        path = local_path(uri)
        stat = path.stat() if path.is_file() else None
        return f"{stat.st_size}-{stat.st_mtime_ns}" if stat else "missing"
    return str(_remote(uri).ukey(uri)) if exists(uri) else "missing"


def list_files(uri: str) -> list[str]:
    """List the files anywhere below a folder as URIs, sorted; hidden ones and those in hidden folders are left out."""
    return [join(uri, name) for name, _ in walk(uri) if "/." not in f"/{name}"]


def list_names(uri: str) -> list[str]:
    """List the names directly under a folder, sorted; empty when the folder is not there."""
    if is_local(uri):
        folder = local_path(uri)
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    remote = _remote(uri)
    if not remote.exists(uri):
        return []
    return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in remote.ls(uri, detail=False))


def walk(uri: str) -> Iterator[tuple[str, float]]:
    """Yield every file below a folder: its name relative to it, and the Unix time it was written; sorted by name."""
    if is_local(uri):
        root = local_path(uri)
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            yield path.relative_to(root).as_posix(), path.stat().st_mtime
        return
    remote = _remote(uri)
    found: dict[str, dict[str, Any]] = remote.find(uri, detail=True) if remote.exists(uri) else {}
    start = len(remote._strip_protocol(uri).rstrip("/")) + 1
    for path, info in sorted(found.items()):
        written = info.get("LastModified") or remote.modified(path)  # S3 lists it; elsewhere it is asked for
        yield path[start:], written.timestamp()


def remove(uri: str) -> bool:
    """Remove a file; False when it was not there."""
    if not exists(uri):
        return False
    if is_local(uri):
        local_path(uri).unlink()
    else:
        _remote(uri).rm_file(uri)
    return True


def publish(uri: str, data: bytes) -> None:
    """Write a file so that a reader sees all of it or none: temporary name, fsync, rename (one PUT on s3)."""
    if not is_local(uri):
        _remote(uri).pipe_file(uri, data)
        return
    path = local_path(uri)
    temporary = _temporary(path)
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync(path.parent)


def copy(uri: str, target_uri: str) -> None:
    """Publish a published file once more, under another name; on one disk, as a second name of the same file."""
    if is_local(uri) and is_local(target_uri):
        _link(local_path(uri), local_path(target_uri))
    else:
        publish(target_uri, read_bytes(uri))


def put_blob(root_uri: str, data: bytes) -> str:
    """Store bytes once under their sha256 and return it; a blob that is there is not written again."""
    digest = hashlib.sha256(data).hexdigest()
    uri = blob_uri(root_uri, digest)
    if not exists(uri) or size(uri) != len(data):
        publish(uri, data)
    return digest


def put_blob_file(root_uri: str, path: Path, sha256: str) -> None:
    """Move a local file in as the blob of its sha256, whole or not at all; it is gone from its path.

    Not synced to the disk: `sync` does that, before anything that lasts names the blob.
    """
    uri = blob_uri(root_uri, sha256)
    if not is_local(uri):
        _remote(uri).put_file(str(path), uri)
        path.unlink()
        return
    target = uri.removeprefix("file://")
    try:
        os.replace(path, target)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(path, target)


def sync(uri: str) -> None:
    """Make a file survive a power cut: a local one and its name; elsewhere it does already."""
    if is_local(uri):
        _sync(local_path(uri))
        _sync(local_path(uri).parent)


def blob_url(sha256: str) -> str:
    """Return the address of a blob that holds wherever the blobs lie."""
    return f"{BLOB_SCHEME}{sha256}"


def blob_uri(root_uri: str, sha256: str) -> str:
    """Return where the blob of a sha256 lies."""
    return join(root_uri, sha256[:BLOB_FANOUT], sha256)


def _remote(uri: str) -> Any:
    # Other processes write too: a cached listing would hide what they published.
    return fsspec.filesystem(uri.split("://", 1)[0], use_listings_cache=False)  # pyright: ignore[reportUnknownMemberType]


def _temporary(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f"{path.name}.tmp-{uuid.uuid4().hex[:12]}")


def _link(path: Path, target: Path) -> None:
    temporary = _temporary(target)
    try:
        os.link(path, temporary)
    except OSError:  # another disk, or one without links
        publish(str(target), path.read_bytes())
        return
    temporary.replace(target)
    temporary.unlink(missing_ok=True)  # a name for the file that the target was already is left as it is
    _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
