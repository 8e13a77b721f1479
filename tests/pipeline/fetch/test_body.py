"""A body is judged as it arrives: its size, its packing, what it starts with, and where a cut one goes on."""

from __future__ import annotations

import gzip
import io
import random
import zlib

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from pipeline.errors import DataError
from pipeline.fetch.body import Incoming, Wanted
from pipeline.fetch.http import Refused

TEXT = b"One, two, three.\n" * 500
RAW = zlib.compressobj(wbits=-15)


def headers(**values: str) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict((name.replace("_", "-"), value) for name, value in values.items()))


def take(data: bytes, wanted: Wanted, piece: int = 100, **stated: str) -> bytes:
    file = io.BytesIO()
    incoming = Incoming(file, wanted)
    incoming.begin(200, headers(**stated))
    for start in range(0, len(data), piece):
        incoming.write(data[start : start + piece])
    incoming.finish()
    assert incoming.num_bytes == len(file.getvalue())
    return file.getvalue()


def page(max_bytes: int = 20 << 20) -> Wanted:
    return Wanted(kind="page", max_bytes=max_bytes)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT[:100], mtime=0) + gzip.compress(TEXT[100:], mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", RAW.compress(TEXT) + RAW.flush()),
        ("gzip, deflate", zlib.compress(gzip.compress(TEXT, mtime=0))),
        ("identity", TEXT),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_what_was_asked_for_is_unpacked_however_it_is_cut(encoding: str, packed: bytes, piece: int) -> None:
    assert take(packed, page(), piece, Content_Encoding=encoding) == TEXT


def refusal(data: bytes, wanted: Wanted, **stated: str) -> tuple[str, bool]:
    with pytest.raises(Refused) as caught:
        take(data, wanted, 4096, **stated)
    return caught.value.status, caught.value.is_retryable


def test_packed_bodies_that_are_broken_bombs_or_unasked_for_are_refused() -> None:
    packed = gzip.compress(TEXT)
    assert refusal(packed[:-4], page(), Content_Encoding="gzip") == ("truncated", True)
    assert refusal(b"no gzip", page(), Content_Encoding="gzip") == ("wrong_content", False)
    assert refusal(packed, page(), Content_Encoding="br") == ("wrong_content", False)
    assert refusal(packed, page(), Content_Encoding="gzip, gzip, gzip") == ("bomb", False)
    assert refusal(gzip.compress(bytes(8 << 20)), page(), Content_Encoding="gzip") == ("bomb", False)
    assert refusal(TEXT, Wanted(kind="audio", max_bytes=1 << 20), Content_Encoding="gzip") == ("encoded_media", False)


def test_a_body_as_large_as_allowed_is_taken_and_one_byte_more_is_not() -> None:
    assert take(TEXT, page(len(TEXT))) == TEXT
    assert refusal(TEXT, page(len(TEXT) - 1)) == ("too_large", False)
    assert refusal(b"x", page(10), Content_Length="11") == ("too_large", False)


@pytest.mark.parametrize(
    "data",
    [b"<html>", b" \r\n<?xml", b'{"error": 1}', b"#EXTM3U\n", b"ffconcat version 1.0", b"\xef\xbb\xbf<p>", b"%PDF-1.4"],
)
@pytest.mark.parametrize("padding", [b"", b" " * 5000])
def test_what_is_no_audio_is_found_by_its_first_bytes(data: bytes, padding: bytes) -> None:
    assert refusal(data + padding, Wanted(kind="audio", max_bytes=1 << 20)) == ("wrong_content", False)
    assert take(data + padding, page()) == data + padding


def test_a_cut_body_goes_on_only_with_a_strong_etag_and_from_where_it_broke_off() -> None:
    data = random.Random(0).randbytes(1000)
    incoming = Incoming(io.BytesIO(), Wanted(kind="audio", max_bytes=1 << 20))
    incoming.begin(200, headers(ETag='W/"weak"'))
    incoming.write(data[:400])
    assert incoming.range_headers() == {}
    incoming.begin(200, headers(ETag='"1"'))
    incoming.write(data[:400])
    assert incoming.range_headers() == {"Range": "bytes=400-", "If-Range": '"1"'}
    for content_range in ("bytes 399-999/1000", "bytes 400-998/1000", "bytes */1000", ""):
        with pytest.raises(Refused) as caught:
            incoming.begin(206, headers(ETag='"1"', Content_Range=content_range))
        assert caught.value.status == "range_refused"
    with pytest.raises(Refused, match="goes on from elsewhere"):
        incoming.begin(206, headers(ETag='"2"', Content_Range="bytes 400-999/1000"))
    incoming.begin(206, headers(ETag='"1"', Content_Range="bytes 400-999/1000"))
    incoming.write(data[400:])
    incoming.finish()
    assert incoming.num_bytes == 1000


def test_a_disk_that_is_full_is_no_fault_of_the_host() -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    incoming = Incoming(Full(), page())
    incoming.begin(200, headers())
    with pytest.raises(
        DataError, match=r"cannot be written \(No space left on device\); expected room beside the blobs"
    ):
        incoming.write(TEXT)
