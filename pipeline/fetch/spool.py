"""The file a body is spooled to beside the blobs, until it is whole; what a kill leaves can be gone on from.

Two processes that want the same address at once do not share a file: the second one writes to one of its own.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import uuid
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from multidict import CIMultiDictProxy

from pipeline import store
from pipeline.fetch.body import Incoming, Wanted
from pipeline.fetch.http import Refused
from pipeline.ids import key_of
from pipeline.optouts import in_headers

log = logging.getLogger(__name__)
FOLDER = "spool"
BODY, NOTE = ".part", ".json"
KEPT_FROM_BYTES = 1 << 16  # less is sooner fetched again than looked up
COPIED_BYTES = 1 << 20


class Spool:
    """One address's body as a file, opened when the first byte comes; a sink for the HTTP client."""

    def __init__(self, folder: Path, url: str, wanted: Wanted) -> None:
        """Touch nothing yet; the folder has to be there."""
        self._folder = str(folder)
        self._key = key_of(url)
        self._wanted = wanted
        self._path = self._note = ""
        self._file: FileIO | None = None
        self._incoming: Incoming | None = None
        self._has_note = self._is_moved = False

    def __enter__(self) -> Spool:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Keep what may be gone on from; anything else leaves nothing."""
        if self._file is None:
            return
        is_kept = self._has_note and self._incoming is not None and self._incoming.is_resumable
        if not is_kept and not self._is_moved:
            _unlink(self._path)  # while the lock is held: the name is ours
        if not is_kept:
            self._drop_note()
        self._file.close()

    def take_up(self) -> None:
        """Go on from what a killed process left, if it is there with its ETag; reads all of it."""
        try:
            etag = str(json.loads(Path(self._place(self._key, NOTE)).read_bytes())["etag"])
        except (OSError, ValueError, KeyError):
            return
        incoming = self._open(is_kept=True, is_new=False)
        self._has_note = True
        incoming.take_up(etag)

    @property
    def sha256(self) -> str:
        """Hash of the body."""
        assert self._incoming is not None
        return self._incoming.sha256

    @property
    def num_bytes(self) -> int:
        """Size of the body."""
        return self._incoming.num_bytes if self._incoming is not None else 0

    def range_headers(self) -> dict[str, str]:
        """Ask for the rest only, where there is a beginning."""
        return self._incoming.range_headers() if self._incoming is not None else {}

    def begin(self, code: int, headers: CIMultiDictProxy[str]) -> None:
        """Start or go on with a body, and note what going on will need; Refused where the headers opt out."""
        refusals = in_headers(headers.items())
        if refusals:
            raise Refused("opted_out", "\n".join(refusals))
        is_whole = code == 200
        is_long = int(headers.get("Content-Length", "0")) >= KEPT_FROM_BYTES
        is_kept = is_whole and is_long and headers.get("ETag", "").startswith('"')
        incoming = self._open(is_kept=is_kept)
        incoming.begin(code, headers)
        if is_kept and incoming.etag:
            Path(self._note).write_text(json.dumps({"etag": incoming.etag}))
            self._has_note = True
        elif is_whole:
            self._drop_note()

    def write(self, data: bytes) -> None:
        """Take bytes."""
        assert self._incoming is not None
        self._incoming.write(data)

    def finish(self) -> None:
        """Judge the whole."""
        assert self._incoming is not None
        self._incoming.finish()

    def fill(self, file: BinaryIO) -> None:
        """Take a whole file that is no answer: a local one, or one in a store."""
        incoming = self._open()
        while data := file.read(COPIED_BYTES):
            incoming.write(data)
        incoming.finish()

    def forget(self) -> None:
        """Drop what has come."""
        if self._incoming is not None:
            self._incoming.forget()
        self._drop_note()

    def move_to(self, blobs_uri: str) -> None:
        """Make the body a blob."""
        assert self._file is not None and self._incoming is not None
        store.put_blob_file(blobs_uri, Path(self._path), self._incoming.sha256)
        self._is_moved, self._incoming.etag = True, None

    def _drop_note(self) -> None:
        if self._has_note:
            _unlink(self._note)
            self._has_note = False

    def _open(self, *, is_kept: bool = False, is_new: bool = True) -> Incoming:
        """Open a file of this process's own; one that is kept has a name that the next process will find."""
        if self._incoming is not None:
            return self._incoming
        stem = self._key
        if is_kept:
            self._file = _locked(self._place(stem, BODY))
            if self._file is not None and is_new:
                self._file.truncate()
        if self._file is None:
            stem = f"{self._key}-{uuid.uuid4().hex[:12]}"
            self._file = FileIO(self._place(stem, BODY), "x+")
        self._path, self._note = self._place(stem, BODY), self._place(stem, NOTE)
        self._incoming = Incoming(self._file, self._wanted)
        return self._incoming

    def _place(self, stem: str, suffix: str) -> str:
        return f"{self._folder}/{stem}{suffix}"


def keys_of_beginnings(folder: Path) -> set[str]:
    """List the addresses, by key, of which a killed process left a beginning."""
    return {path.stem for path in folder.glob(f"*{NOTE}")}


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _locked(path: str) -> FileIO | None:
    """Open a file for this process alone, with what it holds; None while another has it."""
    file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.stat(path).st_ino == os.fstat(file.fileno()).st_ino:
            return file
    except OSError:  # held by another, or moved on by it since it was opened
        log.debug("%s is another process's", path)
    file.close()
    return None
