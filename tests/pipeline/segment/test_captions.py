"""Captions as they are found on the web: what each becomes."""

from __future__ import annotations

import random

import pysubs2
import pytest

from pipeline.segment.captions import Caption, Cue, parse

SRT = """1
00:00:01,000 --> 00:00:02,500
Rain in the north.

2
00:00:03,000 --> 00:00:04,000
Sun in the south,
and wind.
"""
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


STATUSES = [
    (b"", "empty"),
    (b"\xef\xbb\xbf \n", "empty"),
    (b"WEBVTT\n\nNOTE nothing yet\n", "empty"),
    (b"WEBVTT\n\n00:01.000 --> 00:02.000\n\n", "empty"),
    (b"1\n99:99:99,999 --> 99:99:99,999\nHello\n", "unparsable"),
    (b"WEBVTT\n\n00:xx.000 --> 00:02.000\nHello\n", "unparsable"),
    (b"<!DOCTYPE html><html><body>404 <!-- 12:30 --></body></html>", "not_captions"),
    (b"<div>Not found</div>\n<!-- 12:30:00 -->", "not_captions"),
    (b"Dear all, the meeting is at 12:30.", "not_captions"),
    (b"[Script Info]\nDialogue: 0,0:00:01.00,0:00:02.00,,,0,0,0,,Hi", "not_captions"),
    (b"\x00\x01\x02\x03", "not_captions"),
    (b"00:01.000 --> 00:02.000\nHello\0\n", "not_captions"),
    (b"ID3\x04" + bytes(range(256)), "not_captions"),
]


@pytest.mark.parametrize(("data", "status"), STATUSES)
def test_what_holds_no_cues_says_why(data: bytes, status: str) -> None:
    caption = parse(data)
    assert (caption.status, caption.cues) == (status, ())
    assert caption.detail


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


@pytest.mark.parametrize("data", [SRT, VTT])
def test_clean_files_are_read_as_pysubs2_reads_them(data: str) -> None:
    theirs = [(event.start, event.end, event.plaintext) for event in pysubs2.SSAFile.from_string(data)]
    ours = [(cue.start_ms, cue.end_ms, cue.text) for cue in parse(data.encode()).cues]
    assert ours == [(start, end, " ".join(text.split())) for start, end, text in theirs]


def test_no_bytes_make_it_raise() -> None:
    rng = random.Random(7)
    pieces = [
        SRT.encode(),
        VTT.encode(),
        b"-->",
        b"00:",
        b"<",
        b"{\\",
        b"&#xD800;",
        b"\xff",
        b"\0",
        b"WEBVTT",
    ]
    for _ in range(2000):
        data = b"".join(rng.choice(pieces)[: rng.randrange(1, 60)] for _ in range(rng.randrange(12)))
        assert parse(data).status in {"ok", "empty", "unparsable", "not_captions"}
        assert parse(rng.randbytes(rng.randrange(200))).status in {
            "empty",
            "not_captions",
            "ok",
            "unparsable",
        }


@pytest.mark.parametrize("piece", ["<script>", "<a", "{\\", "<00:", "\n", "0:", "00:00 -->", " "])
def test_repeated_openings_cost_linear_time(piece: str) -> None:
    body = piece * 100_000
    caption = parse(f"00:01.000 --> 00:02.000\n{body}\n".encode())
    assert caption.status in {"ok", "empty"}
