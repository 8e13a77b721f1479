"""Listings of any table and of the names people give their columns; nothing listed is lost."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.page import Page
from pipeline.sources.found import Found
from pipeline.sources.listing import ListingSource


def listed(body: bytes, name: str) -> list[Found]:
    url = f"http://h.test/x/{name}"
    return list(ListingSource(root=url).find(url, lambda asked: Page(url=asked, body=body)))


def one(**row: Any) -> Found:
    [found] = listed(json.dumps(row).encode(), "l.jsonl")
    return found


def test_a_parquet_listing_gives_the_same_candidates() -> None:
    sink = io.BytesIO()
    rows = [{"audio_url": "a.mp3", "text_url": "a.vtt", "language": "es", "raw": b"x"}, {"audio_url": None}]
    pq.write_table(pa.Table.from_pylist(rows), sink)
    found, bad = listed(sink.getvalue(), "l.parquet")
    assert (found.audio_url, found.text_url) == ("http://h.test/x/a.mp3", "http://h.test/x/a.vtt")
    assert (found.declared_lang, bad.status, bad.page_url[-7:]) == ("es", "bad_candidate", "#line=2")


@pytest.mark.parametrize(
    ("row", "otherwise", "expected"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"synthetic": True}, False, True),
        ({"synthetic": "yes"}, False, True),
        ({"synthetic": False}, True, False),
        ({"synthetic": 0}, True, False),
        ({"synthetic": " "}, True, True),
    ],
)
def test_a_row_says_whether_a_machine_spoke_it_and_the_setting_where_none_does(
    row: dict[str, Any], otherwise: bool, expected: bool
) -> None:
    url, body = "http://h.test/x/l.jsonl", json.dumps({"audio": "a.mp3", **row}).encode()
    [found] = ListingSource(root=url, synthetic=otherwise).find(url, lambda asked: Page(url=asked, body=body))
    assert found.is_synthetic == expected


def test_a_mark_that_says_neither_makes_no_candidate() -> None:
    rows = b'{"audio": "a.mp3", "synthetic": "perhaps"}\n{"audio": "b.mp3"}'
    bad, _ = listed(rows, "l.jsonl")
    assert (bad.status, bad.audio_url) == ("bad_candidate", "")
    assert bad.status_detail == "column synthetic is 'perhaps'; expected true or false"


def test_a_parquet_column_of_marks_is_read() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"audio": ["a.mp3", "b.mp3", "c.mp3"], "synthetic": [True, False, None]}), sink)
    assert [found.is_synthetic for found in listed(sink.getvalue(), "l.parquet")] == [True, False, False]


def test_a_tsv_listing_is_cut_at_tabs() -> None:
    [found] = listed(b"path\tsentence\tlocale\na, b.mp3\tBuenos d\xc3\xadas, amigos\tes-ES\n", "validated.tsv")
    assert (found.audio_url, found.declared_lang) == ("http://h.test/x/a, b.mp3", "es")
    assert found.text_inline == "Buenos días, amigos".encode()


@pytest.mark.parametrize("column", ["audio_url", "audio", "audio_filepath", "audio_path", "file_name", "path", "url"])
def test_columns_of_audio_have_many_names(column: str) -> None:
    assert one(**{column: "a.mp3"}).audio_url == "http://h.test/x/a.mp3"


@pytest.mark.parametrize(
    ("transcript", "text_url", "inline"),
    [
        ("a.vtt", "http://h.test/x/a.vtt", None),
        ("my talk.srt", "http://h.test/x/my talk.srt", None),
        ("https://o.test/t?id=1", "https://o.test/t?id=1", None),
        ("so it was said", None, b"so it was said"),
    ],
)
def test_a_transcript_is_told_from_its_address(transcript: str, text_url: str | None, inline: bytes | None) -> None:
    found = one(audio="a.mp3", transcript=transcript)
    assert (found.text_url, found.text_inline) == (text_url, inline)


@pytest.mark.parametrize(
    ("row", "duration_ms"),
    [
        ({"duration": 1.5}, 1500),
        ({"duration_s": "2"}, 2000),
        ({"duration_ms": 2500}, 2500),
        ({"duration": -1}, None),
        ({"duration": "long"}, None),
        ({"duration_ms": "-5"}, None),
    ],
)
def test_a_duration_is_read_if_it_can_be_one(row: dict[str, Any], duration_ms: int | None) -> None:
    assert one(audio="a.mp3", **row).declared_duration_ms == duration_ms


def test_a_query_is_no_part_of_a_listings_ending() -> None:
    [found] = listed(b"audio,language\na.mp3,German\n", "l.csv?token=x")
    assert (found.audio_url, found.declared_lang) == ("http://h.test/x/a.mp3", "de")


def test_deep_and_endless_rows_stay_rows() -> None:
    body = b'{"audio": "a.mp3"}\n' + b'{"a":' * 100_000 + b'\n{"audio": NaN}\n' + b"x" * (17 << 20)
    assert [row.status for row in listed(body, "l.jsonl")] == ["ok", "bad_candidate", "bad_candidate", "bad_candidate"]
