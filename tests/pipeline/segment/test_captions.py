"""Captions as they are found on the web: what each becomes."""

from __future__ import annotations

import random
import re
import time
import tracemalloc

import pytest

from pipeline.segment import captions
from pipeline.segment.captions import parse
from pipeline.segment.cue import Caption, Cue
from tests.faults.captions import CAPTIONS, BadCaption
from tests.pipeline.segment.samples import SAMPLES, SRT

VTT = """WEBVTT - weather

STYLE
::cue { color: papayawhip }

NOTE checked by hand
twice

intro
00:01.000 --> 00:02.500 align:start position:10%
Rain in the north.

00:00:03.000 --> 00:00:04.000
Sun in the south,
and wind.
"""
CUES = ((1000, 2500, "Rain in the north."), (3000, 4000, "Sun in the south, and wind."))


def spans(caption: Caption) -> tuple[tuple[int, int, str], ...]:
    return tuple((cue.start_ms, cue.end_ms, cue.text) for cue in caption.cues)


def one_cue(payload: str, header: str = "WEBVTT\n\n") -> str:
    caption = parse(f"{header}00:05.000 --> 00:09.000\n{payload}\n".encode())
    return caption.cues[0].text if caption.cues else caption.status


ENCODINGS = [
    SRT.encode(),
    b"\xef\xbb\xbf" + SRT.encode(),
    SRT.replace("\n", "\r\n").encode(),
    SRT.replace("\n", "\r").encode(),
    SRT.encode("utf-16"),
    b"\xfe\xff" + SRT.encode("utf-16-be"),
    SRT.replace(",0", ".0").replace(",5", ".5").encode(),
    SRT.replace("1\n00", "00").replace("2\n00", "00").encode(),
    SRT.replace("north.\n\n", "north.\n").encode(),
    SRT.replace(",000", "").replace(",500", ".5").encode(),
    SRT.replace("-->", "->").encode(),
]


@pytest.mark.parametrize("data", ENCODINGS)
def test_srt_is_read_in_every_dress_it_wears(data: bytes) -> None:
    caption = parse(data)
    assert (caption.status, caption.format, spans(caption)) == ("ok", "srt", CUES)


@pytest.mark.parametrize("data", [VTT.encode(), VTT.encode("utf-8-sig"), VTT.replace("\n", "\r\n").encode()])
def test_webvtt_styles_notes_identifiers_and_settings_are_no_text(data: bytes) -> None:
    caption = parse(data)
    assert (caption.status, caption.format, spans(caption)) == ("ok", "webvtt", CUES)


TEXTS = [
    ("<v Mary Smith>Hello <i>there</i></v>", "Hello there"),
    ("Hel<00:00:06.000><c>lo</c> <00:00:07.000><c>there</c>", "Hello there"),
    ("<c.yellow.bg_blue>Hello</c>", "Hello"),
    ("{\\an8}Hello {there}", "Hello {there}"),
    ("Tom &amp; Ann&nbsp;ate &lt;i&gt;", "Tom & Ann\u00a0ate <i>"),
    ("  two \t spaces ", "two spaces"),
    ("a < b and c > d, I <3 you", "a < b and c > d, I <3 you"),
    ("<script>alert('x')</script>Hello", "Hello"),
    ("<ruby>雨<rt>あめ</rt></ruby>です", "雨です"),
    ("<ruby>雨<rt>あめ</ruby>です", "雨です"),
    ("<b>unclosed", "unclosed"),
    ("&nbsp;<i> </i>", "empty"),
]


@pytest.mark.parametrize(("payload", "text"), TEXTS)
def test_only_what_is_said_remains_of_a_cue(payload: str, text: str) -> None:
    assert one_cue(payload) == text


def test_two_inline_stamps_on_a_line_are_not_a_timing_line() -> None:
    data = b"WEBVTT\n\n00:05.000 --> 00:09.000\nHel<00:00:06.000>lo <00:00:07.000>there\n"
    assert spans(parse(data)) == ((5000, 9000, "Hello there"),)


def test_srt_text_may_hold_blank_lines_and_webvtt_text_may_not() -> None:
    body = "00:05.000 --> 00:09.000\nOne\n\nTwo\n"
    assert parse(body.encode()).cues[0].text == "One Two"
    assert parse(f"WEBVTT\n\n{body}".encode()).cues[0].text == "One"


def test_a_number_said_alone_is_text_and_a_counter_is_not() -> None:
    data = b"1\n00:00:01,000 --> 00:00:02,000\nseven\n7\n\n2\n00:00:03,000 --> 00:00:04,000\n8\n"
    assert [cue.text for cue in parse(data).cues] == ["seven 7", "8"]


IMPOSSIBLE = [
    "99:99:99,000 --> 99:99:99,999",
    "00:00:05,000 --> 00:00:99,000",
    "00:00:09,000 --> 00:00:05,000",
    "-00:00:09,000 --> -00:00:05,000",
]


@pytest.mark.parametrize("timing", IMPOSSIBLE)
def test_cues_with_impossible_times_are_left_out_and_counted(timing: str) -> None:
    caption = parse(f"{SRT}\n3\n{timing}\nLost\n".encode())
    assert (caption.status, spans(caption), caption.num_lost) == ("ok", CUES, 1)
    assert caption.detail == "1 cues have impossible times"


def test_a_cue_that_says_nothing_is_not_missed() -> None:
    caption = parse(f"{SRT}\n3\n99:99:99,000 --> 99:99:99,999\n\n".encode())
    assert (caption.status, caption.num_lost, caption.detail) == ("ok", 0, None)


TIMES = [
    ("-00:00:01,000 --> 00:00:02,000", (0, 2000)),
    ("00:00:02,000 --> 00:00:02,000", (2000, 2000)),
    ("75:10.000 --> 75:11.000", (4_510_000, 4_511_000)),
    ("123:00:00.000 --> 123:00:01.000", (442_800_000, 442_801_000)),
    ("0:0:1.5 --> 0:0:2.25", (1500, 2250)),
    (" 00:00:01,000-->00:00:02,000 ", (1000, 2000)),
    ("00:00:01,123456 --> 00:00:02,000", (1123, 2000)),
]


@pytest.mark.parametrize(("timing", "span"), TIMES)
def test_odd_stamps_are_read_as_they_are_meant(timing: str, span: tuple[int, int]) -> None:
    cue = parse(f"{timing}\nHello\n".encode()).cues[0]
    assert (cue.start_ms, cue.end_ms) == span


def test_cues_are_sorted_by_start_and_may_overlap() -> None:
    data = b"00:05.000 --> 00:09.000\nsecond\n\n00:01.000 --> 00:06.000\nfirst\n"
    assert parse(data).cues == (
        Cue(start_ms=1000, end_ms=6000, text="first"),
        Cue(start_ms=5000, end_ms=9000, text="second"),
    )


@pytest.mark.parametrize("bad", CAPTIONS, ids=lambda bad: bad.name)
def test_a_bad_caption_gets_its_verdict(bad: BadCaption) -> None:
    data, started = bad.make(), time.process_time()
    caption = parse(data)
    assert time.process_time() - started < 8  # 100 000 cues take 2 s (measured 2026-11)
    assert (caption.status, caption.format) == (bad.status, bad.format)
    assert (len(caption.cues), caption.num_lost) == (bad.num_cues, bad.num_lost)
    first = spans(caption)[0] if caption.cues else None
    assert first == bad.first
    if bad.status != "ok":
        assert caption.detail and caption.origin is None
    if bad.detail:
        assert re.search(bad.detail, caption.detail or "")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\n\n", "empty"),
        (b"<div>Not found</div>\n<!-- 12:30:00 -->", "not_captions"),
        (b"At 12:30.", "not_captions"),
        (b'<html lang="Rain in the north of the country', "not_captions"),
        (b"Error 503: try again later, please.", "not_captions"),
        (b"\x00\x01\x02\x03", "not_captions"),
        (b"00:01.000 --> 00:02.000\nHello\0\n", "not_captions"),
    ],
)
def test_what_holds_no_cues_says_why(data: bytes, status: str) -> None:
    caption = parse(data)
    assert (caption.status, caption.cues) == (status, ())
    assert caption.detail


@pytest.mark.parametrize(
    "text", ["It costs 500 dollars.", "外面下着大雨，风也很大。你好吗？", "Dear all, we meet at 12:30."]
)
def test_one_utterance_is_a_transcript(text: str) -> None:
    caption = parse(text.encode())
    assert (caption.status, caption.text) == ("untimed", text)


def test_text_in_cp1252_is_read_and_damaged_utf_8_stays_utf_8() -> None:
    assert one_cue_of("Où ça ? L’été…".encode("cp1252")) == "Où ça ? L’été…"
    damaged = "ዝናብ በሰሜን ይጠበቃል ነገ ደግሞ ፀሐይ".encode()[:-1]
    assert one_cue_of(damaged) == "ዝናብ በሰሜን ይጠበቃል ነገ ደግሞ ፀሐ\ufffd"


@pytest.mark.parametrize("debris", ["\ufeff\ufeff", "ï»¿", "\n\n"])
def test_debris_before_the_header_does_not_hide_the_format(debris: str) -> None:
    assert parse((debris + VTT).encode()).format == "webvtt"


def test_bytes_of_text_in_the_wrong_encoding_survive() -> None:
    assert one_cue_of("Ã\u00a0 la carte, dÃ©jÃ\u00a0".encode()) == "Ã\u00a0 la carte, dÃ©jÃ\u00a0"


def one_cue_of(payload: bytes) -> str:
    return parse(b"00:01.000 --> 00:02.000\n" + payload + b"\n").cues[0].text


PIECES = [
    *(part for sample in SAMPLES.values() for part in sample.split(b"\n")),
    *(
        b"-->",
        b"00:",
        b"<",
        b"</",
        b"{\\",
        b"&#xD800;",
        b"&amp;",
        b"\xff",
        b"\xfe\xff",
        b"\0",
        b"WEBVTT",
        b"\n\n",
        b"<p>",
    ),
    *(
        b'{"segments":[',
        b'{"events":[',
        b"]}",
        b"<tt><body><p begin='1s'>",
        b"<timedtext>",
        b"<html>",
        b"Dialogue:",
        b"[1:2.3]",
    ),
]


def mutated(rng: random.Random) -> bytes:
    data = bytearray(rng.choice(list(SAMPLES.values())))
    for _ in range(rng.randrange(1, 12)):
        at = rng.randrange(len(data) + 1)
        until = at + rng.choice([0, 1, 9, 99])
        data[at:until] = rng.choice([rng.choice(PIECES), rng.randbytes(rng.randrange(4)), bytes(data[at:until]) * 3])
    return bytes(data)


def test_no_damage_makes_it_raise_or_break_its_promises() -> None:
    rng = random.Random(7)
    for _ in range(1500):
        data = mutated(rng)
        caption = parse(data)
        assert caption.status in {"ok", "untimed", "empty", "unparsable", "not_captions"}, data
        assert bool(caption.cues) == (caption.status == "ok") and bool(caption.text) == (caption.status == "untimed"), (
            data
        )
        assert [cue.start_ms for cue in caption.cues] == sorted(cue.start_ms for cue in caption.cues), data
        assert all(0 <= cue.start_ms <= cue.end_ms and cue.text for cue in caption.cues), data


def test_no_soup_of_pieces_makes_it_raise() -> None:
    rng = random.Random(8)
    for _ in range(600):
        assert parse(b"\n".join(rng.choices(PIECES, k=rng.randrange(12)))).status
        assert parse(rng.randbytes(rng.randrange(200))).status


FRAMES = {
    "srt": "00:01.000 --> 00:02.000\n%s\n",
    "webvtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n%s\n",
    "ttml": "<tt><body><div><p begin='1s' end='2s'>%s</p></div></body></tt>",
    "json": '{"segments": [{"startTime": 1, "body": "%s"}]}',
    "ass": "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,%s",
    "html": "<html><body><p>%s</p></body></html>",
    "text": "%s",
}
OPENINGS = [
    "<script>",
    "<a ",
    "<a>",
    "<rt>",
    "{\\",
    "{\\p1}",
    "<00:",
    "\n",
    "0:",
    "00:00 -->",
    " ",
    "&amp;",
    "&",
    "[",
    "[00:01.00]",
]
OPENINGS += ["A: ", "Aa ", "0:01 ", "<!--", "<div>", "<![CDATA[", "NOTE\n", "x\n", "by "]


@pytest.mark.parametrize("frame", FRAMES)
def test_repeated_openings_cost_linear_time(frame: str) -> None:
    for opening in OPENINGS:
        started = time.process_time()
        assert parse((FRAMES[frame] % (opening * (100_000 // len(opening)))).encode()).status
        assert time.process_time() - started < 2, opening


def test_a_caption_with_more_cues_than_a_day_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions, "MAX_CUES", 1)
    caption = parse(SRT.encode())
    assert (caption.status, caption.detail) == ("unparsable", "2 cues; a caption has at most 1")


def test_memory_stays_a_small_multiple_of_the_file() -> None:
    data = SAMPLES["html"].replace(b"Rain", b"Rain " * 100_000)
    tracemalloc.start()
    assert parse(data).status == "ok"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * len(data)
