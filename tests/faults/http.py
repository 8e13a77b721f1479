"""Bad HTTP: bombs, endless and lying answers, redirects out of the web, with the verdict each must get."""

from __future__ import annotations

import gzip
import json

from tests.faults import replies
from tests.faults.bad_answer import BadAnswer, sound
from tests.faults.server import Reply

FLAC = sound()
BOMB_BYTES = 64 << 20  # of zeros, which gzip makes 1000 times smaller
WORDS = b"One, two, three.\n" * 100
TARGET = "/b%0D%0AX-Injected:%201"
HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://169.254.169.254/latest/meta-data/\n"


def _a(reply: Reply) -> dict[str, Reply]:
    return {"/a": reply}


def _audio(data: bytes, *lines: str) -> dict[str, Reply]:
    return _a(replies.body(data, "audio/flac", *lines))


def _page(data: bytes, *lines: str) -> dict[str, Reply]:
    return _a(replies.body(data, "text/plain", *lines))


def _hops(number: int) -> dict[str, Reply]:
    hops = {f"/{hop}": replies.redirect(f"/{hop + 1}") for hop in range(1, number)}
    return _a(replies.redirect("/1")) | hops | {f"/{number}": replies.body(FLAC, "audio/flac")}


def _to(name: str, target: str, status: str) -> BadAnswer:
    return BadAnswer(name=f"redirect_{name}", replies=_a(replies.redirect(target)), status=status, requests=1)


BOMB = gzip.compress(bytes(BOMB_BYTES))
CHUNKED = replies.head(200, "Content-Type: audio/flac", "Transfer-Encoding: chunked")
HTTP = (
    BadAnswer(name="gzip_bomb", kind="text", replies=_page(BOMB, "Content-Encoding: gzip"), status="bomb"),
    BadAnswer(
        name="double_gzip_bomb",
        kind="text",
        replies=_page(gzip.compress(BOMB), "Content-Encoding: gzip, gzip"),
        status="bomb",
    ),
    BadAnswer(
        name="three_encodings",
        kind="page",
        replies=_page(
            gzip.compress(gzip.compress(gzip.compress(WORDS))), "Content-Encoding: gzip, gzip", "Content-Encoding: gzip"
        ),
        status="bomb",
    ),
    BadAnswer(
        name="honest_gzip",
        kind="text",
        replies=_page(gzip.compress(WORDS), "Content-Encoding: gzip"),
        gives=WORDS,
    ),
    BadAnswer(
        name="encoded_media", replies=_audio(gzip.compress(FLAC), "Content-Encoding: gzip"), status="encoded_media"
    ),
    BadAnswer(
        name="endless_chunked", replies=_a(replies.endless(CHUNKED, replies.chunk(FLAC[:8192]))), status="too_large"
    ),
    BadAnswer(name="declared_huge", replies=_audio(FLAC, f"Content-Length: {1 << 40}"), status="too_large"),
    BadAnswer(
        name="a_byte_now_and_then",
        replies=_a(replies.trickle(replies.head(200, "Content-Length: 99999") + FLAC[:100], bytes(999), 0.2)),
        status="too_slow",
        is_retryable=True,
    ),
    BadAnswer(
        name="header_of_1_mib",
        replies=_a(replies.raw(replies.head(200, f"X-Long: {'x' * (1 << 20)}") + FLAC)),
        status="network",
        is_retryable=True,
    ),
    BadAnswer(
        name="headers_100k",
        replies=_a(replies.raw(replies.head(200, *(f"X-{n}: {n}" for n in range(100_000))) + FLAC)),
        status="network",
        is_retryable=True,
    ),
    BadAnswer(name="redirects_10", replies=_hops(10), gives=FLAC),
    BadAnswer(name="redirects_100", replies=_hops(100), status="too_many_redirects"),
    BadAnswer(name="redirect_loop", replies=_a(replies.redirect("/a")), status="too_many_redirects"),
    BadAnswer(name="redirect_nowhere", replies=_a(replies.status(302)), status="http_302"),
    _to("file", "file:///etc/passwd", "bad_url"),
    _to("data", "data:audio/flac;base64,ZkxhQw==", "bad_url"),
    _to("metadata", "http://169.254.169.254/latest/meta-data/", "blocked_address"),
    _to("hex_loopback", "http://0x7f.1/", "blocked_address"),
    _to("credentials", "http://user:secret@elsewhere.test/", "bad_url"),
    BadAnswer(
        name="crlf_location",
        replies=_a(replies.redirect(TARGET)) | {TARGET: replies.body(FLAC, "audio/flac")},
        gives=FLAC,
    ),
    BadAnswer(
        name="bare_cr_location",
        replies=_a(replies.redirect("/b\rX-Injected: 1")),
        status="network",
        is_retryable=True,
    ),
    BadAnswer(
        name="unasked_206",
        replies=_a(replies.body(FLAC[:100], "audio/flac", f"Content-Range: bytes 0-99/{len(FLAC)}", code=206)),
        status="http_206",
    ),
    BadAnswer(name="negative_length", replies=_audio(FLAC, "Content-Length: -1"), status="network", is_retryable=True),
    BadAnswer(
        name="two_lengths",
        replies=_audio(FLAC, f"Content-Length: {len(FLAC)}", "Content-Length: 7"),
        status="network",
        is_retryable=True,
    ),
    BadAnswer(
        name="garbage", replies=_a(replies.raw(b"\0\xff\xfe not HTTP\r\n\r\n")), status="network", is_retryable=True
    ),
    BadAnswer(name="html_as_flac", replies=_audio(b"<!DOCTYPE html><html><body>Not found"), status="wrong_content"),
    BadAnswer(name="json_as_flac", replies=_audio(json.dumps({"error": "gone"}).encode()), status="wrong_content"),
    BadAnswer(name="hls_as_flac", replies=_audio(HLS), status="wrong_content"),
    BadAnswer(name="flac_as_html", replies=_a(replies.body(FLAC, "text/html")), gives=FLAC),
)
