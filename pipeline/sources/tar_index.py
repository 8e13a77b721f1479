"""Where the files in a tar lie: names and places from the headers alone, however large the tar; nothing is unpacked."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline import store
from pipeline.suffixes import suffix_of
from pipeline.unpacked import DAMAGE

MAX_MEMBERS = 1_000_000
MAX_CONTENT_BYTES = 1 << 20  # of a text beside the audio


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A regular file in a tar; its header starts at byte `at`. `content` is there where it was asked for."""

    name: str
    at: int
    content: bytes | None = None


class NotTar(Exception):
    """A file that is no tar, a packed one, or one that is damaged; the message says which."""


def members_of(uri: str, wanted: frozenset[str] = frozenset()) -> Iterator[Member]:
    """Yield the regular files of a tar in order, with the content of those whose ending is wanted, up to a size.

    NotTar where it cannot be read, or not further.
    """
    try:
        with store.open_file(uri) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            yield from _members(tar, store.size(uri), wanted)
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE).strip(b"\0"):  # tarfile takes a broken header for the end
                raise NotTar("it has a damaged header, and is not read further")
    except (tarfile.TarError, *DAMAGE) as error:
        raise NotTar(f"it cannot be read as a tar: {error}; a packed one has to be unpacked (gunzip)") from error


def _members(tar: tarfile.TarFile, tar_bytes: int, wanted: frozenset[str]) -> Iterator[Member]:
    num = 0
    while info := tar.next():
        num += 1
        tar.members = []  # pyright: ignore[reportAttributeAccessIssue] (the memory of those read)
        if num > MAX_MEMBERS:
            raise NotTar(f"it has more than {MAX_MEMBERS} members")
        if not info.isreg():
            continue
        if info.offset_data + info.size > tar_bytes:
            raise NotTar(f"it ends inside {info.name!r}, after {num - 1} members")
        is_wanted = suffix_of(info.name) in wanted and info.size <= MAX_CONTENT_BYTES
        content = tar.extractfile(info) if is_wanted else None
        yield Member(name=info.name, at=info.offset, content=content.read() if content else None)
