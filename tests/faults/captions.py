"""Bad captions: damage, disguises and bombs, with what reading must make of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.pipeline.segment.samples import SAMPLES, SRT, TTML, VTT

MANY = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BadCaption:
    """A file and its verdict: status, format, how many cues it gives and loses, and the first cue's text and time.

    `detail` is a pattern of what the reader says.
    """

    name: str
    make: Callable[[], bytes]
    status: str = "ok"
    format: str | None = None
    num_cues: int = 0
    num_lost: int = 0
    first: tuple[int, int, str] | None = None
    detail: str | None = None


def clock(at_ms: int) -> str:
    """Write a stamp as SRT does."""
    return f"{at_ms // 3_600_000:02}:{at_ms // 60_000 % 60:02}:{at_ms // 1000 % 60:02},{at_ms % 1000:03}"


def srt(*cues: tuple[int, int, str]) -> bytes:
    """Write an SRT file."""
    return "".join(
        f"{index}\n{clock(start_ms)} --> {clock(end_ms)}\n{text}\n\n"
        for index, (start_ms, end_ms, text) in enumerate(cues, 1)
    ).encode()


def _lines(*texts: str) -> bytes:
    return srt(*((index * 1000, index * 1000 + 900, text) for index, text in enumerate(texts)))


def _raw(timing: str, text: str = "Hello.") -> bytes:
    return f"{SRT}\n3\n{timing}\n{text}\n".encode()


def _ok(name: str, data: bytes, num_cues: int, first: tuple[int, int, str], **more: object) -> BadCaption:
    facts: dict[str, object] = {"format": "srt", **more}
    return BadCaption(name=name, make=lambda: data, num_cues=num_cues, first=first, **facts)  # type: ignore[arg-type]


def _no(name: str, data: bytes, status: str = "not_captions", **more: object) -> BadCaption:
    return BadCaption(name=name, make=lambda: data, status=status, **more)  # type: ignore[arg-type]


def _laughs(root: str) -> bytes:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE {root} [<!ENTITY l0 "ha">{levels}]><{root}><body><p>&l9;</p></body></{root}>'.encode()


NORTH = (1000, 2500, "Rain in the north.")
RUSSIAN = "Добрый день, дорогие друзья. Сегодня мы поговорим о погоде на севере."
CHINESE = "大家好，欢迎收听今天的节目。我们来谈谈北方的天气。"
JAPANESE = "みなさん、こんにちは。今日は北の天気についてお話しします。"
FRENCH = "Où ça ? L’été dernier, nous étions à l'hôtel près de la forêt."
OVERLAPPING = srt((0, 5000, "One."), (1000, 4000, "Two."), (500, 6000, "Zero."))
SHIFTED = _lines(*(f"Line {index}." for index in range(9))).replace(b"00:00:0", b"00:00:3")
PAGE = (
    b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body><p>Sorry! 00:01 --> 00:02</p></body></html>"
)
LOGIN = b"<html><head><title>Sign in</title></head><body>" + b"Please log in to read this transcript. " * 9
LINKS = (
    b"<html><body>"
    + b"".join(b"<a href='%d'>Episode about the weather</a> " % n for n in range(40))
    + b"</body></html>"
)
RSS = b'<?xml version="1.0"?><rss version="2.0"><channel><title>Weather</title></channel></rss>'
THUMBNAILS = b"WEBVTT\n\n" + b"".join(
    b"00:0%d.000 --> 00:0%d.900\nsprite.jpg#xywh=%d,0,160,90\n\n" % (n, n, n * 160) for n in range(9)
)
CHAPTERS = b"00:00 Intro\n05:00 The north\n12:30 The south\n20:00 Outro\n"
CONSOLE_BACKWARDS = b"[00:00.000 --> 00:04.000] Rain.\n[00:09.000 --> 00:04.500] Sun in the south.\n"
CAPTIONS = (
    _ok("bom_and_crlf", b"\xef\xbb\xbf" + SRT.replace("\n", "\r\n").encode(), 2, NORTH),
    _ok("two_boms", b"\xef\xbb\xbf\xef\xbb\xbf" + VTT.encode(), 2, NORTH, format="webvtt"),
    _ok("utf16", SRT.encode("utf-16"), 2, NORTH),
    _ok("utf16_without_bom", SRT.encode("utf-16-le"), 2, NORTH),
    _ok("cp1252", _lines(FRENCH).decode().encode("cp1252"), 1, (0, 900, FRENCH)),
    _ok("cp1251", _lines(RUSSIAN).decode().encode("cp1251"), 1, (0, 900, RUSSIAN)),
    _ok("koi8", _lines(RUSSIAN).decode().encode("koi8_r"), 1, (0, 900, RUSSIAN)),
    _ok("gb18030", _lines(CHINESE).decode().encode("gb18030"), 1, (0, 900, CHINESE)),
    _ok("shift_jis", _lines(JAPANESE).decode().encode("cp932"), 1, (0, 900, JAPANESE)),
    _ok("damaged_utf8", _lines(JAPANESE)[:-4] + b"\n", 1, (0, 900, JAPANESE[:-1] + "\ufffd")),
    _ok("rolling", SAMPLES["youtube_vtt"], 3, (160, 2159, "rain in the"), format="webvtt"),
    _ok("overlapping", OVERLAPPING, 3, (0, 5000, "One.")),
    _ok("unsorted", srt((5000, 6000, "Two."), (1000, 2000, "One.")), 2, (1000, 2000, "One.")),
    _ok("negative", _raw("-00:00:09,000 --> -00:00:05,000"), 2, NORTH, num_lost=1, detail="1 cues have impossible"),
    _ok("starts_before_zero", _raw("-00:00:01,000 --> 00:00:00,500"), 3, (0, 500, "Hello.")),
    _ok("ends_before_it_starts", _raw("00:00:09,000 --> 00:00:05,000"), 2, NORTH, num_lost=1),
    _ok("console_backwards", CONSOLE_BACKWARDS, 1, (0, 4000, "Rain."), format="text", num_lost=1),
    _ok("99_99_99", _raw("99:99:99,999 --> 99:99:99,999"), 2, NORTH, num_lost=1),
    _ok("all_in_5_s", srt(*((n * 20, n * 20 + 20, f"Word {n}.") for n in range(250))), 250, (0, 20, "Word 0.")),
    _ok("shifted_by_30_s", SHIFTED, 9, (30_000, 30_900, "Line 0.")),
    _ok("all_capitals", _lines("RAIN IN THE NORTH", "SUN"), 2, (0, 900, "RAIN IN THE NORTH")),
    _ok("entities", _lines("Tom &amp; Ann&#39;s &lt;3&nbsp;"), 1, (0, 900, "Tom & Ann's <3\u00a0")),
    _ok("voices", b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Hi</v>\n", 1, (1000, 2000, "Hi"), format="webvtt"),
    _ok("sounds_only", _lines("[Music]", "♪", "[Applause]"), 3, (0, 900, "[Music]")),
    _ok("amara_credit", _lines("Rain.", "Subtitles by the Amara.org community"), 2, (0, 900, "Rain.")),
    _ok("script_in_a_cue", _lines("<script>alert(1)</script>Rain<img src=x onerror=y>"), 1, (0, 900, "Rain")),
    _ok("no_numbers", SRT.replace("1\n00", "00").replace("2\n00", "00").encode(), 2, NORTH),
    _ok("no_blank_lines", SRT.replace("\n\n", "\n").encode(), 2, NORTH),
    _ok("vtt_without_header", VTT[VTT.index("intro") :].encode(), 2, NORTH),
    _ok("ttml_named_srt", TTML.encode(), 5, (1200, 2400, "Rain in the north. Sun."), format="ttml"),
    _ok("sbv_named_srt", SAMPLES["sbv"], 2, NORTH, format="sbv"),
    _ok("ass_named_vtt", SAMPLES["ass"], 2, (1000, 2500, "Rain, in the north."), format="ass"),
    BadCaption(
        name="cues_100k",
        make=lambda: srt(*((n * 10, n * 10 + 10, "Rain in the north.") for n in range(MANY))),
        format="srt",
        num_cues=MANY,
        first=(0, 10, "Rain in the north."),
    ),
    BadCaption(name="mib_21", make=lambda: bytes(21 << 20), status="not_captions", detail="a caption has at most"),
    _no("nothing", b"", "empty", detail="no text"),
    _no("white_space", b"\xef\xbb\xbf\r\n \r\n", "empty", detail="no text"),
    _no("header_only", b"WEBVTT\n\nNOTE nothing yet\n", "empty", format="webvtt", detail="no cue has text"),
    _no("no_clock_at_all", b"WEBVTT\n\n00:xx.000 --> 00:02.000\nHi\n", "unparsable", format="webvtt", num_lost=1),
    _no("page_404", PAGE, detail="an HTML page: '404 Not Found'"),
    _no("login_page", LOGIN, detail="an HTML page: 'Sign in'"),
    _no("list_of_links", LINKS, detail="an HTML page of links"),
    _no("rss", RSS, detail="XML of <rss>"),
    _no("json_error", b'{"error": "not found"}', detail=r"its keys are \['error'\]"),
    _no("plain_error", b"Access denied. Request id 12345.", detail="an error message"),
    _no("a_word_or_two", b"Coming soon!", detail="too little text"),
    _no("thumbnails", THUMBNAILS, detail="a track of images or data: 'sprite.jpg"),
    _no("chapters", CHAPTERS, detail="a list of times with little text"),
    _no("hls", b"#EXTM3U\n#EXTINF:6,\nhttps://a.test/1.vtt\n", detail="a playlist"),
    _no("mp3", b"ID3\x04" + bytes(range(256)) * 40, detail="binary data"),
    _no("base64", b"UmFpbiBpbiB0aGUgbm9ydGgu0123456789+/" * 40 + b"1234567890" * 99, detail="mostly no words"),
    _no("billion_laughs", _laughs("tt"), "unparsable", detail="DOCTYPE"),
    _no("laughs_as_srv", _laughs("timedtext"), "unparsable", detail="DOCTYPE"),
    _no("deep_ttml", b"<tt><body>" + b"<div>" * 9999, "unparsable", detail="not well formed|nested deeper"),
    _no("deep_json", b'{"a":' + b"[" * 99_999, "unparsable", detail="nested too deep"),
    _no("deep_html", b"<html><body>" + b"<div>" * MANY + b"Rain", detail="too little text"),
    _no("cut_json", json.dumps({"segments": [{"startTime": 1, "body": "Rain"}]})[:-9].encode(), "unparsable"),
    _no("nan_in_json", b'{"segments": [{"startTime": NaN, "body": "Rain"}]}', "unparsable", detail="NaN is no number"),
)
