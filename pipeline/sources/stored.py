"""Stored places of a source, local or in a bucket: what its root names, large files in parts, names kept inside.

A file is cut by the hash of what its rows are about: every part reads the whole file and keeps its own rows, so that
the rows of one recording meet wherever they stand, and a part's memory is bounded.
"""

from __future__ import annotations

import os
import posixpath
import zlib
from dataclasses import dataclass
from pathlib import Path

from pipeline import store
from pipeline.errors import UserError
from pipeline.hosts import is_web
from pipeline.rows import format_of
from pipeline.sources.found import Found, Seed

PART_BYTES = 64 << 20  # of a file's rows: some 200 000 utterances
_GZIP_RATIO = 8  # of manifests


class Outside(Exception):
    """A name in somebody's manifest that leads out of the folder its files may lie in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the parts a file is read in."""

    uri: str
    number: int = 0
    num: int = 1

    def has(self, key: str) -> bool:
        """Tell whether rows about `key` are of this part."""
        return zlib.crc32(key.encode("utf-8", "replace")) % self.num == self.number


def existing(root: str, expected: str) -> str:
    """Return a root as a URI, local ones whole; UserError when it is not there or on the web."""
    uri = root if "://" in root else str(Path(root).expanduser().resolve())
    if is_web(root) or not store.exists(uri):
        problem = "is an address on the web" if is_web(root) else "is not there"
        raise UserError(
            f"source.root {root!r} {problem}; expected {expected}, on a disk or s3://; give root=PATH_OR_URI"
        )
    return uri


def part_seeds(uri: str, *beside: str) -> list[Seed]:
    """Return the parts of a manifest; stamps of it and of what is read with it tell of a change, its audio's do not."""
    validator = " ".join(store.stamp(name) for name in (uri, *beside))
    num = -(-sum(_row_bytes(name) for name in (uri, *filter(format_of, beside))) // PART_BYTES)
    urls = [f"{uri}#part={number}/{num}" for number in range(num)] if num > 1 else [uri]
    return [Seed(url=url, validator=validator, is_large=num > 1) for url in urls]


def part_of(seed: str) -> Part:
    """Return the part a seed names."""
    uri, _, fragment = seed.rpartition("#part=")
    if not uri:
        return Part(uri=seed)
    number, _, num = fragment.partition("/")
    return Part(uri=uri, number=int(number), num=int(num))


def inside(name: str, folder: str, root: str) -> str:
    """Return where a name in a manifest in `folder` leads, links followed; Outside unless it is under `root`.

    An address on the web stays as it is.
    """
    if is_web(name):
        return name
    name = name.removeprefix("file://")
    if "://" in root:
        path = posixpath.normpath(name if "://" in name else store.join(folder, name)).replace(":/", "://", 1)
        if not f"{path}/".startswith(f"{root.rstrip('/')}/"):
            raise Outside(f"{name!r} lies outside {root}; set source.audio_root to what holds it")
        return path
    try:
        path, top = os.path.realpath(os.path.join(folder, name)), os.path.realpath(os.path.expanduser(root))
    except ValueError as error:  # a NUL in it
        raise Outside(f"{name[:200]!r} is no path: {error}") from error
    if "://" in name or os.path.commonpath([top, path]) != top:
        raise Outside(f"{name!r} lies outside {root}; set source.audio_root to a folder that holds it")
    return path


def folder_of(uri: str) -> str:
    """Return the folder a file lies in."""
    return uri.rpartition("/")[0]


def refused(place: str, status: str, detail: str) -> Found:
    """Return the row of a place that gives no audio."""
    return Found(page_url=place, status=status, status_detail=detail)


def _row_bytes(uri: str) -> int:
    return store.size(uri) * (_GZIP_RATIO if uri.endswith(".gz") else 1) if store.exists(uri) else 0
