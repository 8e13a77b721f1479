"""Bytes at a URI, local or s3://: read, list, and publish whole or not at all.

A URI is a plain path or anything fsspec opens. Nothing here retries: the executor does.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

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


def open_file(uri: str) -> BinaryIO:
    """Open a file to read parts of it; FileNotFoundError when it is not there."""
    if is_local(uri):
        return local_path(uri).open("rb")
    return cast(BinaryIO, _remote(uri).open(uri, "rb"))


def stamp(uri: str) -> str:
    """Return what changes when a file does: size and time on a disk, what the store says of an object, or 'missing'."""
    if is_local(uri):
        path = local_path(uri)
        stat = path.stat() if path.is_file() else None
        return f"{stat.st_size}-{stat.st_mtime_ns}" if stat else "missing"
    return str(_remote(uri).ukey(uri)) if exists(uri) else "missing"


def list_files(uri: str) -> list[str]:
    """List the files anywhere under a folder, sorted, as URIs; hidden files and folders and links are left out."""
    if is_local(uri):
        found = [str(Path(folder, name)) for folder, names in _walk(local_path(uri)) for name in names]
    else:
        found = [f"{uri.split('://', 1)[0]}://{path}" for path in _remote(uri).find(uri)]
    start = len(uri.rstrip("/"))
    return sorted(path for path in found if "/." not in path[start:])


def list_names(uri: str) -> list[str]:
    """List the names directly under a folder, sorted; empty when the folder is not there."""
    if is_local(uri):
        folder = local_path(uri)
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    remote = _remote(uri)
    if not remote.exists(uri):
        return []
    return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in remote.ls(uri, detail=False))


def publish(uri: str, data: bytes) -> None:
    """Write a file so that a reader sees all of it or none: temporary name, fsync, rename (one PUT on s3)."""
    if not is_local(uri):
        _remote(uri).pipe_file(uri, data)
        return
    path = local_path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp-{uuid.uuid4().hex[:12]}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def put_blob(root_uri: str, data: bytes) -> str:
    """Store bytes once under their sha256 and return it; a blob that is there is not written again."""
    digest = hashlib.sha256(data).hexdigest()
    uri = blob_uri(root_uri, digest)
    if not exists(uri) or size(uri) != len(data):
        publish(uri, data)
    return digest


def blob_url(sha256: str) -> str:
    """Return the address of a blob that holds wherever the blobs lie."""
    return f"{BLOB_SCHEME}{sha256}"


def blob_uri(root_uri: str, sha256: str) -> str:
    """Return where the blob of a sha256 lies."""
    return join(root_uri, sha256[:BLOB_FANOUT], sha256)


def _remote(uri: str) -> Any:
    # Other processes write too: a cached listing would hide what they published.
    return fsspec.filesystem(uri.split("://", 1)[0], use_listings_cache=False)  # pyright: ignore[reportUnknownMemberType]


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield parent, [name for name in names if not os.path.islink(os.path.join(parent, name))]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
