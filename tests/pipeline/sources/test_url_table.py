"""Tables of addresses are read in pieces, with what is no page and no audio passed over unread."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pipeline import store
from pipeline.errors import UserError
from pipeline.sources import row_groups, stored
from pipeline.sources.url_table import UrlTableSource
from tests.pipeline.sources.archives import CAPTIONED, packed, page
from tests.pipeline.sources.finding import HOME, reading
from tests.pipeline.sources.stored_places import list_all, no_web, statuses

Row = dict[str, Any]

# Types as in Common Crawl's columnar index (cc-index-table).
INDEX = pa.schema(
    [("url", pa.string()), ("fetch_status", pa.int16()), ("content_mime_detected", pa.string())]
    + [("content_languages", pa.string()), ("content_digest", pa.string()), ("warc_filename", pa.string())]
    + [("warc_record_offset", pa.int32()), ("warc_record_length", pa.int32())]
)


def indexed(name: str, **more: Any) -> Row:
    row = {
        "url": HOME + name,
        "fetch_status": 200,
        "content_mime_detected": "text/html",
        "content_languages": "swa,eng",
    }
    return {**dict.fromkeys(INDEX.names), **row, **more}


def table(path: Path, rows: list[Row], schema: pa.Schema | None = INDEX, **options: Any) -> str:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, **options)
    return str(path)


def test_pages_are_read_live_and_what_cannot_hold_audio_is_not(tmp_path: Path) -> None:
    rows = [
        indexed("1"),
        indexed("2", fetch_status=404),
        indexed("3", content_mime_detected="image/png"),
        indexed("4", content_mime_detected="application/xhtml+xml"),
        indexed("gone"),
    ]
    asked: list[str] = []
    plain = CAPTIONED.replace(b' lang="sw"', b"").replace(b"captions", b"subtitles")
    found = list_all(
        UrlTableSource(root=table(tmp_path / "t.parquet", rows)), reading({"1": plain, "4": b"<p>"}, asked)
    )
    assert asked == ["1", "4", "gone"]
    assert [row.status for row in found] == ["ok", "no_audio", "http_404"]
    assert (found[0].declared_lang, found[0].page_url) == ("sw", HOME + "1")


def test_audio_rows_are_candidates_with_the_caption_their_row_names(tmp_path: Path) -> None:
    rows = [
        {
            "url": HOME + "a.mp3",
            "mime_type": "audio/mpeg",
            "caption_url": HOME + "a.vtt",
            "language": "es",
            "title": "A",
        },
        {"url": HOME + "b", "mime_type": "video/mp4", "caption_url": None, "language": None, "title": None},
    ]
    path = table(tmp_path / "t.parquet", rows, None)
    one, other = list_all(UrlTableSource(root=path))
    assert (one.audio_url, one.text_url, one.declared_lang, one.title) == (HOME + "a.mp3", HOME + "a.vtt", "es", "A")
    assert (other.status, other.audio_url) == ("no_text", "")
    assert list_all(UrlTableSource(root=path, captioned_only=False))[1].audio_url == HOME + "b"


def test_rows_that_cannot_be_wanted_never_leave_the_table(tmp_path: Path) -> None:
    media = {"content_mime_detected": "audio/mpeg"}
    rows = [indexed("1", fetch_status=404), indexed("2", content_mime_detected="image/png"), indexed("3.mp3", **media)]
    [found] = list_all(UrlTableSource(root=table(tmp_path / "t.parquet", rows), captioned_only=False))
    assert found.page_url.endswith("t.parquet#row=1")


def test_rows_of_other_languages_may_be_left_out(tmp_path: Path) -> None:
    rows = [indexed("1"), indexed("2", content_languages="eng"), indexed("3", content_languages=None)]
    asked: list[str] = []
    list_all(UrlTableSource(root=table(tmp_path / "t.parquet", rows), languages=["sw"]), reading({}, asked))
    assert asked == ["1"]


def test_pages_may_be_read_out_of_the_archive(tmp_path: Path) -> None:
    members = [packed([page(f"{HOME}{number}")]) for number in range(3)]
    (tmp_path / "crawl").mkdir()
    (tmp_path / "crawl" / "x.warc.gz").write_bytes(b"".join(members))
    at = {
        "warc_filename": "crawl/x.warc.gz",
        "warc_record_offset": len(members[0]),
        "warc_record_length": len(members[1]),
    }
    rows = [
        indexed("1", **at),
        indexed("2"),
        indexed("3", **{**at, "warc_record_offset": 5}),
        indexed("4", **{**at, "warc_filename": "../x.warc.gz"}),
        indexed("5", **{**at, "warc_filename": "crawl/gone.warc.gz"}),
        indexed("6", **{**at, "warc_record_length": 1 << 30}),
        indexed("7", **{**at, "warc_record_offset": -1}),
    ]
    found = list_all(UrlTableSource(root=table(tmp_path / "t.parquet", rows), archive=str(tmp_path)))
    assert found[0].audio_url == "http://h.test/a.mp3"
    expected = ["ok", "bad_candidate", "bad_archive", "bad_archive", "bad_archive", "too_large", "bad_candidate"]
    assert [row.status for row in found] == expected


def test_a_large_table_is_many_seeds_that_give_what_the_whole_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"url": f"{HOME}{number}.mp3", "caption": f"{HOME}{number}.vtt"} for number in range(1000)]
    source = UrlTableSource(root=table(tmp_path / "t.parquet", rows, None, row_group_size=50))
    whole = list_all(source)
    assert len(source.seeds(no_web)) == 1
    monkeypatch.setattr(row_groups.table_seeds, "__defaults__", (100,))
    seeds = source.seeds(no_web)
    assert [seed.url.rpartition("#")[2] for seed in seeds[:2]] == ["groups=0-1", "groups=2-3"]
    assert (len(seeds), all(seed.is_large for seed in seeds)) == (10, True)
    assert [row.audio_url for row in list_all(source)] == [row.audio_url for row in whole]


def test_a_csv_is_cut_by_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        f"https://h{number % 20}.test/{number}.mp3,https://h{number % 20}.test/{number}.vtt" for number in range(200)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["url,caption", *lines, "no address,"]))
    source = UrlTableSource(root=str(tmp_path / "t.csv"))
    whole = list_all(source)
    monkeypatch.setattr(stored, "PART_BYTES", 2_000)
    parts = [list(source.find(seed.url, no_web)) for seed in source.seeds(no_web)]
    assert len(parts) > 3
    assert sorted(repr(row) for part in parts for row in part) == sorted(map(repr, whole))
    assert statuses(whole) == {"ok": 200, "bad_candidate": 1}
    sites = [{row.audio_url.split("/")[2] for row in part if row.audio_url} for part in parts]
    assert sum(map(len, sites)) == len(set().union(*sites))


def test_a_folder_of_tables_is_read_whole(tmp_path: Path) -> None:
    for name in ("crawl=1/subset=warc/part-0.parquet", "crawl=1/subset=warc/part-1.parquet", "x/y.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        rows = pa.Table.from_pylist([{"url": HOME + name + ".mp3", "caption": HOME + "c.vtt"}])
        (pyarrow.csv.write_csv if name.endswith("csv") else pq.write_table)(rows, tmp_path / name)
    assert statuses(list_all(UrlTableSource(root=str(tmp_path)))) == {"ok": 3}


def test_no_more_pages_of_a_piece_are_read_than_wanted(tmp_path: Path) -> None:
    path = table(tmp_path / "t.parquet", [indexed(str(number)) for number in range(5)])
    asked: list[str] = []
    found = list_all(UrlTableSource(root=path, max_pages=2), reading({}, asked))
    assert (len(asked), [row.status for row in found]) == (2, ["http_404", "http_404", "over_limit"])


@pytest.mark.parametrize(
    "rows",
    [
        [{"url": "file:///etc/passwd"}, {"url": None}, {"url": "ftp://x/a.mp3"}],
        [{"other": "x"}] * 3,
        [{"url": b"bytes"}] * 3,
    ],
)
def test_rows_without_an_address_of_the_web_are_rows_that_say_so(tmp_path: Path, rows: list[Row]) -> None:
    found = list_all(UrlTableSource(root=table(tmp_path / "t.parquet", rows, None)))
    assert statuses(found) == {"bad_candidate": 3}
    assert len({row.page_url for row in found}) == 3


def test_a_dictionary_of_types_and_odd_columns_are_no_obstacle(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "url": pa.array([HOME + "a.mp3", HOME + "b.png"], pa.large_string()),
            "mime": pa.array(["audio/mpeg", "image/png"]).dictionary_encode(),
            "caption": [HOME + "a.vtt", None],
            "extra": [{"deep": [1]}, None],
        }
    )
    pq.write_table(rows, tmp_path / "t.parquet")
    assert statuses(list_all(UrlTableSource(root=str(tmp_path / "t.parquet")))) == {"ok": 1}


def test_a_table_that_is_none_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no table")
    [found] = list_all(UrlTableSource(root=str(tmp_path)))
    assert (found.status, "the table ends here" in str(found.status_detail)) == ("bad_candidate", True)


def test_tables_and_archives_in_a_bucket_are_read(bucket: str) -> None:
    sink = io.BytesIO()
    member = packed([page(HOME + "1")])
    place = {"warc_filename": "w/x.warc.gz", "warc_record_offset": 0, "warc_record_length": len(member)}
    pq.write_table(pa.Table.from_pylist([indexed("1", **place)], schema=INDEX), sink)
    store.publish(f"{bucket}/t/crawl=1/part-0.parquet", sink.getvalue())
    store.publish(f"{bucket}/w/x.warc.gz", member)
    assert statuses(list_all(UrlTableSource(root=f"{bucket}/t", archive=bucket))) == {"ok": 1}


def test_mistakes_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no table; expected Parquet or CSV; give root=TABLE_OR_FOLDER"):
        list_all(UrlTableSource(root=str(tmp_path)))
