"""A body on its way: written down, hashed, unpacked, counted and looked at as it arrives, never whole in memory."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO, FileIO
from typing import Literal

from multidict import CIMultiDictProxy

from pipeline import audio
from pipeline.errors import DataError
from pipeline.fetch.http import Refused

Kind = Literal["page", "text", "audio"]

MAX_TEXT_BYTES = 20 << 20
MAX_ENCODINGS = 2
MAX_RATIO = 100
RATIO_FROM_BYTES = 1 << 20  # small bodies may well be 1000 times smaller packed
PIECE_BYTES = 1 << 16
SNIFF_BYTES = 64
ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_AUTO, _RAW = 47, -15  # zlib's window bits: gzip or zlib by their headers, and deflate without one
_HEADER_BYTES, _DEFLATE = 2, 8  # of zlib's header: RFC 1950, section 2.2
_ALGORITHMS = ("sha512", "sha384", "sha256")  # the strongest that is stated decides (SRI, section 3.3)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_FOREIGN = (
    (b"<", "markup"),
    (b"{", "JSON"),
    (b"[", "JSON or a playlist"),
    (b"#", "a playlist or text"),
    (b"ffconcat", "a playlist"),
    (b"WEBVTT", "captions"),
    (b"%PDF", "PDF"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for, and how much of it: `is_cut` keeps what fits instead of refusing what does not."""

    kind: Kind
    max_bytes: int
    integrity: str | None = None
    is_cut: bool = False


class Cut(Refused):
    """A body of which no more is wanted: what has come is kept."""


class Incoming:
    """One body, over as many answers as it takes. A cut one goes on where it broke off if it has a strong ETag."""

    def __init__(self, file: FileIO | BytesIO, wanted: Wanted) -> None:
        """Write to a file open for reading and writing, at its start."""
        self._file = file
        self._wanted = wanted
        self.etag: str | None = None
        self._reset()

    @property
    def sha256(self) -> str:
        """Hash of what has come so far."""
        return self._sha256.hexdigest()

    @property
    def is_resumable(self) -> bool:
        """Whether what has come is a beginning that a range can go on from."""
        return bool(self.num_bytes and self.etag)

    def take_up(self, etag: str) -> None:
        """Go on from what the file holds: an earlier process wrote it and was killed."""
        self._file.seek(0)
        while data := self._file.read(PIECE_BYTES):
            self._count(data)
        self.etag = etag

    def forget(self) -> None:
        """Drop what has come: it is no beginning of what the server has now."""
        self.etag = None
        self._restart()

    def range_headers(self) -> dict[str, str]:
        """Ask for the rest, and for all of it should it have changed."""
        if not self.is_resumable:
            return {}
        return {"Range": f"bytes={self.num_bytes}-", "If-Range": str(self.etag)}

    def begin(self, code: int, headers: CIMultiDictProxy[str]) -> None:
        """Go on with a 206, start again with a 200; Refused for what cannot be wanted."""
        encodings = [name for value in headers.getall("Content-Encoding", []) for name in _tokens(value)]
        if code == 206:
            self._check_range(headers, encodings)
            return
        self.forget()
        self._check_encodings([name for name in encodings if name != "identity"])
        declared = int(headers.get("Content-Length", "0"))
        if declared > self._wanted.max_bytes and not self._wanted.is_cut:
            raise self._too_large()
        etag = headers.get("ETag", "")
        is_strong = etag.startswith('"') and not self._unpackers
        self.etag = etag if is_strong else None

    def write(self, data: bytes) -> None:
        """Take the next bytes as they came over the wire."""
        self._num_wire += len(data)
        if not self._unpackers:
            self._take(data)
            return
        try:
            for piece in _unpack(self._unpackers, data):
                self._take(piece)
        except zlib.error as error:
            raise Refused("wrong_content", f"it is not {self._unpackers[0].name}: {error}") from error

    def finish(self) -> None:
        """Judge the whole: Refused when it is cut, empty, not audio, or other bytes than were declared."""
        if not all(unpacker.is_whole for unpacker in self._unpackers):
            raise Refused("truncated", "the packed body ends early", is_retryable=True)
        if not self.num_bytes:
            raise Refused("empty", "the body has no bytes")
        if self.num_bytes < SNIFF_BYTES:
            self._look(self._head)
        self._check_integrity()

    def _restart(self) -> None:
        if self.num_bytes:
            self._file.seek(0)
            self._file.truncate()
        self._reset()

    def _reset(self) -> None:
        self.num_bytes = self._num_wire = 0
        self._head = b""
        self._unpackers: list[_Unpacker] = []
        self._sha256 = hashlib.sha256()
        self._declared = _strongest(self._wanted.integrity)
        self._other = hashlib.new(self._declared[0]) if self._declared else None

    def _take(self, data: bytes) -> None:
        if self.num_bytes + len(data) > self._wanted.max_bytes:
            if not self._wanted.is_cut:
                raise self._too_large()
            data = data[: self._wanted.max_bytes - self.num_bytes]
            self._keep(data)
            raise Cut("ok", "the rest is not wanted")
        self._keep(data)
        if self._unpackers and self.num_bytes > max(RATIO_FROM_BYTES, MAX_RATIO * self._num_wire):
            raise Refused("bomb", f"{self._num_wire} bytes unpack to {self.num_bytes} and more")

    def _keep(self, data: bytes) -> None:
        try:
            num_written = self._file.write(data)
            while num_written < len(data):  # a file without a buffer may take a part; the next write says why
                num_written += self._file.write(data[num_written:])
        except OSError as error:
            raise DataError(
                f"a body of {self.num_bytes + len(data)} bytes cannot be written ({error.strerror}); "
                "expected room beside the blobs; free some and run again"
            ) from error
        self._count(data)

    def _count(self, data: bytes) -> None:
        if self.num_bytes < SNIFF_BYTES:
            self._head += data[:SNIFF_BYTES]
            if len(self._head) >= SNIFF_BYTES:
                self._look(self._head)
        self.num_bytes += len(data)
        self._sha256.update(data)
        if self._other is not None:
            self._other.update(data)

    def _look(self, head: bytes) -> None:
        if self._wanted.kind != "audio" or audio.sniff(head) is not None:
            return
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        found = next((name for mark, name in _FOREIGN if text.startswith(mark)), None)
        if found is not None:
            raise Refused("wrong_content", f"it is {found}, not audio: it starts with {text[:16]!r}")

    def _check_encodings(self, encodings: list[str]) -> None:
        if not encodings:
            return
        if self._wanted.kind == "audio":
            raise Refused("encoded_media", f"Content-Encoding {encodings} was not asked for")
        if len(encodings) > MAX_ENCODINGS:
            raise Refused("bomb", f"packed {len(encodings)} times over, at most {MAX_ENCODINGS} are taken")
        unknown = [name for name in encodings if name not in ENCODINGS]
        if unknown:
            raise Refused("wrong_content", f"Content-Encoding {unknown} was not asked for")
        self._unpackers = [_Unpacker(name) for name in reversed(encodings)]

    def _check_range(self, headers: CIMultiDictProxy[str], encodings: list[str]) -> None:
        stated = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip().lower())
        goes_on = stated is not None and int(stated[1]) == self.num_bytes and not encodings
        reaches_end = stated is not None and (stated[3] == "*" or int(stated[2]) + 1 == int(stated[3]))
        is_same = headers.get("ETag", self.etag) == self.etag
        length = headers.get("Content-Length")
        is_long = stated is not None and length in (None, str(int(stated[2]) + 1 - int(stated[1])))
        if not (goes_on and reaches_end and is_same and is_long):
            raise Refused("range_refused", f"Content-Range {headers.get('Content-Range')} goes on from elsewhere")
        assert stated is not None
        if int(stated[2]) >= self._wanted.max_bytes:
            raise self._too_large()

    def _check_integrity(self) -> None:
        if self._declared is None or self._other is None:
            return
        algorithm, digests = self._declared
        found = base64.b64encode(self._other.digest()).decode()
        if found not in digests:
            raise Refused("bad_integrity", f"{algorithm}-{found} is not the declared {self._wanted.integrity}")

    def _too_large(self) -> Refused:
        return Refused("too_large", f"more than {self._wanted.max_bytes} bytes")


class _Unpacker:
    """One content encoding, undone piece by piece; a gzip of several members is one body."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._head = b""
        self._zlib: zlib._Decompress | None = None  # pyright: ignore[reportPrivateUsage]

    @property
    def is_whole(self) -> bool:
        """Whether the packed stream has come to its own end."""
        return self._zlib is not None and self._zlib.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes unpack to, in pieces of a bounded size."""
        if self._zlib is None:
            self._head = data = self._head + data
            if len(data) < _HEADER_BYTES:
                return
            self._zlib = zlib.decompressobj(self._window(data))
        piece = b""
        while data or len(piece) == PIECE_BYTES:
            if self._zlib.eof:
                self._zlib = zlib.decompressobj(_AUTO)
            piece = self._zlib.decompress(data, PIECE_BYTES)
            data = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
            if piece:
                yield piece

    def _window(self, head: bytes) -> int:
        """Tell deflate with zlib's header from that without: servers disagree on it (RFC 9110, 8.4.1.2)."""
        has_header = head[0] & 0x0F == _DEFLATE and int.from_bytes(head[:2]) % 31 == 0
        return _RAW if self.name == "deflate" and not has_header else _AUTO


def _unpack(unpackers: list[_Unpacker], data: bytes) -> Iterator[bytes]:
    first, *others = unpackers
    for piece in first.feed(data):
        if others:
            yield from _unpack(others, piece)
        else:
            yield piece


def _tokens(value: str) -> list[str]:
    return [token for part in value.lower().split(",") if (token := part.strip())]


def _strongest(integrity: str | None) -> tuple[str, frozenset[str]] | None:
    """Return the strongest algorithm of an SRI value with its digests in base64; None where there is none we know."""
    stated = [item.partition("?")[0].partition("-") for item in (integrity or "").split()]
    for algorithm in _ALGORITHMS:
        digests = frozenset(_canonical(digest) for name, _, digest in stated if name.lower() == algorithm)
        if digests:
            return algorithm, digests
    return None


def _canonical(digest: str) -> str:
    try:
        return base64.b64encode(base64.b64decode(digest.replace("-", "+").replace("_", "/") + "==")).decode()
    except (binascii.Error, ValueError):
        return digest
