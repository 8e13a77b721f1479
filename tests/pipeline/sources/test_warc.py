"""Web archives are read for the audio on their pages; what was cut, bombed or refused is told."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from pathlib import Path

import pytest

from pipeline import store
from pipeline.errors import UserError
from pipeline.page import Page
from pipeline.sources.found import Found
from pipeline.sources.warc import WarcSource
from tests.pipeline.sources.archives import CAPTIONED, answer, links, packed, page, record
from tests.pipeline.sources.finding import reading
from tests.pipeline.sources.stored_places import list_all, no_web, statuses

URL = "http://h.test/talks/1"


def archive(folder: Path, *records: bytes, name: str = "a.warc.gz", **settings: object) -> list[Found]:
    path = folder / name
    path.write_bytes(packed(records) if name.endswith("gz") else b"".join(records))
    return list_all(WarcSource(root=str(path), **settings))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["a.warc.gz", "a.warc"])
def test_a_pages_audio_is_found_with_its_caption(tmp_path: Path, name: str) -> None:
    [found] = archive(tmp_path, record("", b"software: x", "warcinfo", "application/warc-fields"), page(URL), name=name)
    assert (found.audio_url, found.text_url) == ("http://h.test/a.mp3", "http://h.test/talks/a.vtt")
    assert (found.page_url, found.declared_lang, found.status) == (URL, "sw", "ok")


def test_pages_without_audio_are_counted_in_one_row(tmp_path: Path) -> None:
    bare = [page(f"{URL}/{number}", b"<p>a video of an episode, no audio</p>") for number in range(9)]
    found, rest = archive(tmp_path, page(URL), *bare)
    assert found.status == "ok"
    assert (rest.status, rest.status_detail) == ("no_audio", "9 of 10 pages have no audio")


@pytest.mark.parametrize(
    "record_",
    [
        record(URL, answer(b"ID3", "audio/mpeg")),
        record(URL, answer(CAPTIONED, status=404)),
        record(URL, answer(CAPTIONED, "text/plain")),
        record(URL, b"GET / HTTP/1.1\r\n\r\n", "request"),
        record(URL, b"\x00\x01 no HTTP at all"),
        record(URL, b"", WARC_Target_URI=""),
        record(URL, b"fetchTimeMs: 1", "metadata", "application/warc-fields"),
        record(URL, answer(b""), "revisit"),
    ],
)
def test_what_is_no_page_is_passed_over(tmp_path: Path, record_: bytes) -> None:
    assert statuses(archive(tmp_path, record_, page(URL))) == {"ok": 1}


def test_languages_come_from_the_page_then_the_archive_then_the_server_then_the_settings(tmp_path: Path) -> None:
    plain = CAPTIONED.replace(b' lang="sw"', b"").replace(b"captions", b"subtitles")
    identified = {"WARC_Identified_Content_Language": "amh,eng"}
    rows = archive(
        tmp_path,
        page(f"{URL}/1", **identified),
        page(f"{URL}/2", plain, **identified),
        record(f"{URL}/3", answer(plain, Content_Language="pt-BR, en")),
        page(f"{URL}/4", plain),
        language="es",
    )
    assert [row.declared_lang for row in rows] == ["sw", "am", "pt", "es"]


def test_refusals_in_headers_and_html_are_kept(tmp_path: Path) -> None:
    refusing = CAPTIONED.replace(b"<audio", b'<meta name="robots" content="noai"><audio')
    [found] = archive(tmp_path, record(URL, answer(refusing, X_Robots_Tag="noai", TDM_Reservation="1")))
    lines = str(found.opt_out_evidence).splitlines()
    assert len(lines) == 3
    assert any('content="noai"' in line for line in lines)


def test_bodies_are_unpacked_as_their_headers_say(tmp_path: Path) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(CAPTIONED), CAPTIONED)
    rows = archive(
        tmp_path,
        record(f"{URL}/1", answer(gzip.compress(CAPTIONED), Content_Encoding="gzip")),
        record(f"{URL}/2", answer(chunked, Transfer_Encoding="chunked")),
        record(f"{URL}/3", answer(CAPTIONED, X_Crawler_Content_Encoding="gzip")),
        record(f"{URL}/4", answer(b"no gzip", Content_Encoding="gzip")),
        page(f"{URL}/5"),
    )
    assert statuses(rows) == {"ok": 4, "bad_encoding": 1, "no_audio": 0} or statuses(rows) == {
        "ok": 4,
        "bad_encoding": 1,
    }


def test_a_bomb_is_a_row_and_costs_little(tmp_path: Path) -> None:
    bomb = record(URL, answer(gzip.compress(b"\0" * (48 << 20)), Content_Encoding="gzip"))
    tracemalloc.start()
    rows = archive(tmp_path, bomb, page(f"{URL}/2"))
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()
    assert [row.status for row in rows] == ["bomb", "ok"]


def test_a_page_cut_short_by_the_crawler_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    rows = archive(tmp_path, page(URL, CAPTIONED + b"<p>and th", WARC_Truncated="length"))
    assert [row.status for row in rows] == ["truncated", "ok"]
    assert rows[0].status_detail == "cut short by length: what came after is unknown"


def test_a_page_larger_than_is_read_is_a_row(tmp_path: Path) -> None:
    [found] = archive(tmp_path, page(URL, CAPTIONED + b" " * (9 << 20)))
    assert found.status in ("truncated", "too_large")


@pytest.mark.parametrize("cut", [10, 60, 200])
def test_a_cut_archive_keeps_its_whole_records(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(packed([page(f"{URL}/{number}", CAPTIONED + b"x" * number) for number in range(4)])[:-cut])
    rows = list_all(WarcSource(root=str(path)))
    assert sum(row.status == "ok" for row in rows) >= 3
    assert {"truncated", "bad_archive"} & set(statuses(rows))


def test_a_flipped_bit_ends_the_archive_with_a_row(tmp_path: Path) -> None:
    data = bytearray(packed([page(f"{URL}/{number}") for number in range(4)]))
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "a.warc.gz").write_bytes(data)
    rows = list_all(WarcSource(root=str(tmp_path / "a.warc.gz")))
    assert statuses(rows).get("ok", 0) >= 1
    assert rows[-1].page_url.endswith("#end")


def test_an_archive_that_is_a_bomb_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.unpacked.FREE_BYTES", 1 << 20)
    rows = archive(tmp_path, page(URL), record(f"{URL}/2", b"\0" * (64 << 20), "resource"), page(f"{URL}/3"))
    assert [row.status for row in rows] == ["ok", "bomb"]


@pytest.mark.parametrize("content", [b"no archive at all " * 50, b"\x1f\x8b broken"])
def test_what_is_no_archive_is_a_row(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.warc.gz").write_bytes(content)
    assert [row.status for row in list_all(WarcSource(root=str(tmp_path / "a.warc.gz")))] in (["bad_archive"], [])


def test_junk_between_records_is_passed_over(tmp_path: Path) -> None:
    rows = archive(tmp_path, page(URL), b"junk\r\n" * 9, page(f"{URL}/2"), name="a.warc")
    assert statuses(rows) == {"ok": 2}


def test_more_records_than_wanted_are_a_row(tmp_path: Path) -> None:
    rows = archive(tmp_path, *(page(f"{URL}/{number}") for number in range(5)), max_records=3)
    assert [row.status for row in rows] == ["ok"] * 3 + ["over_limit"]


def test_of_a_wat_the_pages_with_tracks_are_read_live(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.wat.gz"
    records = [links("http://h.test/d/1", "VIDEO@/src", "TRACK@/src"), links("http://h.test/d/2", "IMG@/src")]
    records += [
        links("http://h.test/d/3", "AUDIO@/src"),
        links("http://h.test/d/4", "TRACK@/src"),
        links("ftp://x", "TRACK@/src"),
    ]
    path.write_bytes(packed(records))
    asked: list[str] = []
    read = reading({"1": CAPTIONED}, asked)
    rows = list_all(WarcSource(root=str(path)), read)
    assert asked == ["1", "4"]
    assert [row.status for row in rows] == ["ok", "http_404", "no_audio"]
    asked.clear()
    list_all(WarcSource(root=str(path), captioned_only=False), read)
    assert asked == ["1", "3", "4"]


def test_of_a_wat_no_more_pages_are_read_than_wanted(tmp_path: Path) -> None:
    path = tmp_path / "x.wat.gz"
    path.write_bytes(packed([links(f"http://h.test/d/{number}", "TRACK@/src") for number in range(5)]))
    asked: list[str] = []
    rows = list_all(WarcSource(root=str(path), max_pages=2), reading({"0": CAPTIONED, "1": CAPTIONED}, asked))
    assert (asked, [row.status for row in rows]) == (["0", "1"], ["ok", "ok", "over_limit"])


def test_damaged_metadata_of_a_wat_is_a_row(tmp_path: Path) -> None:
    deep = record(URL, b'{"Envelope":' * 100_000, "metadata", "application/json")
    odd = [
        record(URL, text, "metadata", "application/json") for text in (b"{", b'{"Envelope": {"Payload-Metadata": 7}}')
    ]
    rows = archive(tmp_path, deep, *odd, name="x.wat.gz")
    assert statuses(rows) == {"truncated": 2, "no_audio": 1}


def test_text_archives_say_that_they_have_no_links(tmp_path: Path) -> None:
    text = record(URL, b"hello", "conversion", "text/plain")
    (tmp_path / "x.warc.wet.gz").write_bytes(packed([text]))
    with pytest.raises(UserError, match=r"names no web archive with links; .*WET holds text only"):
        list_all(WarcSource(root=str(tmp_path)))
    [found] = archive(tmp_path, text)
    assert (found.status, "WET holds text without links" in str(found.status_detail)) == ("no_links", True)


def test_lists_and_folders_name_archives(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/1.warc.gz", "in/2.warc", "in/.hidden.warc", "in/notes.txt"):
        (tmp_path / name).write_bytes(page(URL))
    (tmp_path / "warc.paths").write_text("in/1.warc.gz\n\nin/gone.warc.gz\ns3://other/3.warc.gz\n")
    names = [seed.url.removeprefix(f"{tmp_path}/") for seed in WarcSource(root=str(tmp_path / "in")).seeds(no_web)]
    assert names == ["in/1.warc.gz", "in/2.warc"]
    seeds = WarcSource(root=str(tmp_path / "warc.paths")).seeds(no_web)
    names = [seed.url.removeprefix(f"{tmp_path}/") for seed in seeds]
    assert names == ["in/1.warc.gz", "in/gone.warc.gz", "s3://other/3.warc.gz"]
    assert all(seed.is_large for seed in seeds)
    based = WarcSource(root=str(tmp_path / "warc.paths"), base="s3://commoncrawl").seeds(no_web)
    assert based[0].url == "s3://commoncrawl/in/1.warc.gz"
    [gone] = WarcSource(root=str(tmp_path / "warc.paths")).find(seeds[1].url, no_web)
    assert gone.status == "bad_archive"


def test_archives_in_a_bucket_are_streamed(bucket: str) -> None:
    store.publish(f"{bucket}/a.warc.gz", packed([page(f"{URL}/{number}") for number in range(3)]))
    store.publish(f"{bucket}/warc.paths.gz", gzip.compress(b"a.warc.gz\n"))
    assert statuses(list_all(WarcSource(root=f"{bucket}/warc.paths.gz"))) == {"ok": 3}
    assert statuses(list_all(WarcSource(root=bucket))) == {"ok": 3}


def test_memory_stays_that_of_a_page(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    noise = random.Random(0).randbytes(20_000).hex().encode()
    path.write_bytes(packed([page(URL, CAPTIONED + noise)]) * 500)
    source = WarcSource(root=str(path))
    tracemalloc.start()
    assert sum(row.status == "ok" for row in source.find(str(path), no_web)) == 500
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_no_page_with_audio_is_passed_over_by_the_look_for_signs(tmp_path: Path) -> None:
    bodies = [
        b'<script type="application/ld+json">{"@context":"https://schema.org","@type":"AudioObject","contentUrl":"/a.mp3","transcript":"%s"}</script>'
        % (b"word " * 30),  # fmt: skip
        b'<div itemscope itemtype="https://schema.org/PodcastEpisode"><a itemprop="audio" href="/a.mp3"></a></div>',
        b'<meta property="og:audio" content="http://h.test/a.mp3">',
        b'<VIDEO src="/a.mp4"></VIDEO>',
        CAPTIONED.decode().encode("utf-16"),
    ]
    rows = archive(
        tmp_path, *(page(f"{URL}/{number}", body) for number, body in enumerate(bodies)), captioned_only=False
    )
    assert statuses(rows) == {"ok": 5}


def test_mistakes_say_what_is_expected() -> None:
    with pytest.raises(UserError, match="is an address on the web; expected a web archive"):
        WarcSource(root="https://data.test/a.warc.gz").seeds(lambda url: Page(url=url))
