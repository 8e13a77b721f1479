"""Bad transfers: cut, slow, resumed, refused and retried ones, with the verdict each must get."""

from __future__ import annotations

import base64
import hashlib

from tests.faults import replies
from tests.faults.bad_answer import BadAnswer, sound
from tests.faults.replies import body, head, in_turn, on_range, ranged, raw, reset, status
from tests.faults.server import Reply

FLAC = sound()
LONG = sound(10.0, seed=1)
OTHER = sound(10.0, seed=2)
HALF = len(LONG) // 2
LENGTH = f"Content-Length: {len(LONG)}"
GOOD = body(LONG, "audio/flac")
CUT = reset(head(200, "Content-Type: audio/flac", 'ETag: "1"', LENGTH) + LONG[:HALF])
SRI = "sha384-" + base64.b64encode(hashlib.sha384(FLAC).digest()).decode()


def _range(first: int, total: int, data: bytes) -> Reply:
    place = f"Content-Range: bytes {first}-{total - 1}/{total}"
    return body(data, "audio/flac", 'ETag: "1"', place, code=206)


def _answer(name: str, reply: Reply, status: str, requests: int | None = None, *, retryable: bool = False):
    return BadAnswer(name=name, replies={"/a": reply}, status=status, requests=requests, is_retryable=retryable)


def _resumed(name: str, rest: Reply, gives: bytes, requests: int | None = None) -> BadAnswer:
    return BadAnswer(name=name, replies={"/a": in_turn(CUT, rest)}, gives=gives, requests=requests)


FETCH = (
    _answer("reset_at_once", reset(), "network", retryable=True),
    _answer("reset_halfway", reset(head(200, LENGTH) + LONG[:HALF]), "truncated", retryable=True),
    _resumed("resumed", on_range(status(404), ranged(LONG, '"1"', len(LONG))), LONG, 2),
    _resumed("range_ignored", GOOD, LONG, 2),
    _resumed("changed_meanwhile", ranged(OTHER, '"2"', len(OTHER)), OTHER, 2),
    _resumed("wrong_range", on_range(GOOD, _range(7, len(LONG), LONG[7:])), LONG),
    _resumed("wrong_total", on_range(GOOD, _range(HALF, len(LONG) + 9, LONG[HALF:])), LONG),
    _resumed("unsatisfiable", on_range(GOOD, status(416, f"Content-Range: bytes */{HALF}")), LONG),
    _answer("silence", replies.after(60, GOOD), "timeout", retryable=True),
    _answer("slow_loris", replies.trickle(b"", head(200, LENGTH), 0.2), "timeout", retryable=True),
    _answer("length_too_long", raw(head(200, "Content-Length: 5000000") + FLAC), "truncated", retryable=True),
    _answer("length_too_short", replies.whole(head(200, "Content-Length: 5000") + FLAC), "network", retryable=True),
    _answer(
        "chunks_cut",
        raw(head(200, "Transfer-Encoding: chunked") + replies.chunk(FLAC) + b"ffff\r\n" + FLAC),
        "truncated",
        retryable=True,
    ),
    _answer(
        "chunks_garbled",
        raw(head(200, "Transfer-Encoding: chunked") + replies.chunk(FLAC) + b"zz\r\n" + FLAC),
        "network",
        retryable=True,
    ),
    BadAnswer(name="http_1_0", replies={"/a": raw(b"HTTP/1.0 200 OK\r\n\r\n" + FLAC)}, gives=FLAC, requests=1),
    _answer("empty", body(b"", "audio/flac"), "empty", 1),
    _answer("missing", status(404), "http_404", 1),
    _answer("gone", status(410), "http_410", 1),
    _answer("forbidden", status(403), "http_403", 1),
    _answer("payment", status(402), "http_402", 1),
    _answer("legal", status(451), "http_451", 1),
    _answer("broken", status(500), "http_500", 2, retryable=True),
    _answer("busy", status(503), "http_503", 2, retryable=True),
    _answer("storm", status(429), "http_429", 2, retryable=True),
    BadAnswer(name="better_later", replies={"/a": in_turn(status(502), GOOD)}, gives=LONG, requests=2),
    _answer("come_back_in_a_week", status(503, "Retry-After: 604800"), "host_deferred", 1, retryable=True),
    _answer("noai", body(FLAC, "audio/flac", "X-Robots-Tag: noai"), "opted_out", 1),
    _answer("noai_redirect", replies.redirect("/b", "X-Robots-Tag: noai"), "opted_out", 1),
    _answer("tdm_reserved", body(FLAC, "audio/flac", "TDM-Reservation: 1"), "opted_out", 1),
    BadAnswer(name="integrity", replies={"/a": body(FLAC, "audio/flac")}, gives=FLAC, integrity=SRI),
    BadAnswer(name="bad_integrity", replies={"/a": body(LONG, "audio/flac")}, status="bad_integrity", integrity=SRI),
)
