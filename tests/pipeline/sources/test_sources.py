"""Folders and listings become candidates; nothing listed is lost, and a mistake says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.read import read_listing
from pipeline.sources.discover import Found, Read, content_fingerprint, discover
from pipeline.sources.folder import FolderSource, declared_lang
from pipeline.sources.listing import ListingSource


def listed(text: str, name: str = "listing.jsonl", **options: str) -> list[Found]:
    return list(ListingSource(root=f"http://h.test/x/{name}", **options).find(lambda _: text.encode()))


def test_a_folder_pairs_audio_with_the_caption_beside_it(tmp_path: Path) -> None:
    for name in ("b.mp3", "b.vtt", "sw/c.ogg", "sw/c.am.srt", "lone.FLAC", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = list(FolderSource(root=str(tmp_path)).find(Path.read_bytes))  # pyright: ignore[reportArgumentType]
    pairs = {
        Path(item.audio_url).name: (item.text_url and Path(item.text_url).name, item.declared_lang) for item in found
    }
    assert pairs == {"b.mp3": ("b.vtt", None), "c.ogg": ("c.am.srt", "am"), "lone.FLAC": (None, None)}


@pytest.mark.parametrize(
    ("audio", "text", "expected"),
    [
        ("en-00.mp3", "en-00.vtt", "en"),
        ("talk.mp3", "talk.es.vtt", "es"),
        ("sw/talk.mp3", None, "sw"),
        ("en.mp3", None, None),
        ("is-it-so.mp3", None, "is"),
        ("talk.mp3", "talk.vtt", None),
    ],
)
def test_the_declared_language_is_read_off_names(audio: str, text: str | None, expected: str | None) -> None:
    assert declared_lang(Path(audio), Path(text) if text else None) == expected


def test_a_listing_takes_relative_addresses_from_where_it_lies() -> None:
    [found] = listed('{"audio": "a/1.mp3", "caption": "../t/1.vtt", "language": "EN", "license": "CC0-1.0"}')
    assert (found.audio_url, found.text_url) == ("http://h.test/x/a/1.mp3", "http://h.test/t/1.vtt")
    assert (found.declared_lang, found.license) == ("en", "CC0-1.0")
    assert found.license_evidence == "http://h.test/x/listing.jsonl#line=1: CC0-1.0"


def test_a_listing_may_declare_splits_and_checksums() -> None:
    rows = '{"audio": "1", "split": "dev", "sha256": "ab"}\n{"audio": "2", "split": "holdout"}'
    assert [(item.declared_split, item.validator) for item in listed(rows)] == [("validation", "ab"), (None, None)]


def test_a_csv_listing_gives_the_same_candidates() -> None:
    [found] = listed("audio_url,text_url,language\na.mp3,,es\n", name="l.csv")
    assert (found.audio_url, found.text_url, found.declared_lang) == ("http://h.test/x/a.mp3", None, "es")


def test_a_row_that_cannot_be_used_stays_a_row_that_names_its_line() -> None:
    found = listed('{"audio": "a.mp3"}\n{broken\n\n[1]\n{"title": "no audio"}\n')
    assert [item.audio_url for item in found] == ["http://h.test/x/a.mp3", "", "", ""]
    assert [item.page_url.rsplit("#")[-1] for item in found[1:]] == ["line=2", "line=4", "line=5"]


def test_a_listing_without_any_audio_says_which_columns_it_may_have() -> None:
    with pytest.raises(UserError, match="no row with an audio address; expected one of the columns"):
        listed('{"adio": "a.mp3"}')


class Fixed:
    """A source of given pairs."""

    name = "fixed"

    def __init__(self, urls: list[str], per_unit: int | None = None) -> None:
        self.urls, self.candidates_per_unit = urls, per_unit

    def find(self, read: Read) -> Iterable[Found]:
        return [Found(page_url="p", audio_url=url) for url in self.urls]


def no_read(_: str) -> bytes:
    raise AssertionError


URLS = ["http://b.test/1", "http://a.test/2", "http://a.test/1", "http://a.test/1"]


def test_a_hosts_candidates_stay_in_one_unit_and_repeats_are_one() -> None:
    parts = discover(Fixed(URLS), no_read, 0)
    assert [part["audio_url"].to_pylist() for part in parts] == [
        ["http://a.test/1", "http://a.test/2"],
        ["http://b.test/1"],
    ]


def test_units_may_be_bounded_where_no_politeness_is_owed() -> None:
    assert [part.num_rows for part in discover(Fixed(URLS, 1), no_read, 0)] == [1, 1, 1]


def test_the_fingerprint_is_of_what_was_found_not_of_when_or_in_which_order() -> None:
    one, two = discover(Fixed(URLS), no_read, 1), discover(Fixed(URLS[::-1]), no_read, 2)
    assert content_fingerprint(one) == content_fingerprint(two)
    assert content_fingerprint(one) != content_fingerprint(discover(Fixed(URLS[:2]), no_read, 1))


def test_mistakes_name_the_value_and_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'/nowhere' is not a folder; .*; give root=PATH"):
        list(FolderSource(root="/nowhere").find(no_read))
    with pytest.raises(UserError, match="lists no audio; .*; check its root"):
        discover(FolderSource(root=str(tmp_path)), no_read, 0)
    with pytest.raises(UserError, match="is not a file; expected JSONL or CSV"):
        read_listing(str(tmp_path / "none.jsonl"), HttpOptions())
    with pytest.raises(UserError, match="cannot be fetched .* set fetch.http.allow_private=true"):
        read_listing("http://127.0.0.1:9/l.jsonl", HttpOptions(attempts=1, delay_s=0.0, contact="+me"))
    with pytest.raises(UserError, match="host 'h.test' would be fetched from without a contact"):
        read_listing("https://h.test/l.jsonl", HttpOptions())
