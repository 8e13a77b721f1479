"""Folders and listings become candidates; nothing listed is lost, and a mistake says what to do."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import tables
from pipeline.errors import UserError
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.read import PageReader
from pipeline.page import Page, Read, Reader
from pipeline.schema import CANDIDATE
from pipeline.sources.candidates import Candidates
from pipeline.sources.discover import Discover, Row, seed_parts
from pipeline.sources.folder import FolderSource
from pipeline.sources.found import Found, Seed, Source, read_ok
from pipeline.sources.listing import ListingSource
from pipeline.stage import PART, Context
from pipeline.takedown import Takedowns, parse


def listed(text: str, name: str = "listing.jsonl") -> list[Found]:
    url = f"http://h.test/x/{name}"
    return list(ListingSource(root=url).find(url, lambda asked: Page(url=asked, body=text.encode())))


def test_a_folder_pairs_audio_with_the_caption_beside_it(tmp_path: Path) -> None:
    for name in ("b.mp3", "b.vtt", "sw/c.ogg", "sw/c.am.srt", "lone.FLAC", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = list(FolderSource(root=str(tmp_path)).find(str(tmp_path), Path.read_bytes))  # pyright: ignore[reportArgumentType]
    pairs = {
        Path(item.audio_url).name: (item.text_url and Path(item.text_url).name, item.declared_lang) for item in found
    }
    assert pairs == {"b.mp3": ("b.vtt", None), "c.ogg": ("c.am.srt", "am"), "lone.FLAC": (None, None)}


@pytest.mark.parametrize(
    ("pattern", "marked"),
    [(None, []), ("*", ["a.mp3", "tts/b.mp3", "tts/old/c.mp3"]), ("tts/*", ["tts/b.mp3", "tts/old/c.mp3"])],
)
def test_a_pattern_marks_what_machines_spoke_in_a_folder(
    tmp_path: Path, pattern: str | None, marked: list[str]
) -> None:
    for name in ("a.mp3", "tts/b.mp3", "tts/old/c.mp3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    source = FolderSource(root=str(tmp_path), synthetic=pattern)
    found = list(source.find(str(tmp_path), Path.read_bytes))  # pyright: ignore[reportArgumentType]
    assert [str(Path(item.audio_url).relative_to(tmp_path)) for item in found if item.is_synthetic] == marked
    with pytest.raises(
        UserError, match=r"source.synthetic 'tss/\*' matches no audio file below .*; expected a pattern"
    ):
        list(replace(source, synthetic="tss/*").find(str(tmp_path), Path.read_bytes))  # pyright: ignore[reportArgumentType]


def test_a_text_beside_audio_is_taken_as_words_and_hidden_files_are_not_seen(tmp_path: Path) -> None:
    for name in ("a.MP4", "a.txt", "._a.MP4", ".cache/b.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    [found] = FolderSource(root=str(tmp_path)).find(str(tmp_path), Path.read_bytes)  # pyright: ignore[reportArgumentType]
    assert (found.audio_url, found.text_url) == (f"{tmp_path}/a.MP4", f"{tmp_path}/a.txt")
    assert (found.text_format, found.title) == ("text", "a")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A source of given pairs, of any number of places."""

    pairs: tuple[tuple[str, str | None], ...]
    places: tuple[str, ...] = ("http://feeds.test/1",)
    name: str = "fixed"
    candidates_per_unit: int | None = None

    def seeds(self, read: Read) -> list[Seed]:
        return [Seed(url=place) for place in self.places]

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        read_ok(read, seed)
        yield from (Found(page_url=seed, audio_url=audio, text_url=text) for audio, text in self.pairs)


@dataclass(frozen=True, slots=True)
class Pages:
    """A reader of given pages; any other address is missing."""

    pages: Mapping[str, bytes]

    @contextmanager
    def open(self, blobs_uri: str) -> Generator[Read]:
        yield lambda url: Page(url=url, body=self.pages[url]) if url in self.pages else MISSING


MISSING = Page(url="http://feeds.test/gone", status="http_404", detail="not found")
HERE = Pages({"http://feeds.test/1": b"x", "http://feeds.test/2": b"x"})


def found_by(source: Source, tmp_path: Path, reader: Reader = HERE) -> list[Row]:
    context = Context(blobs_uri=str(tmp_path), output_uris={}, input_fingerprints={})
    with reader.open(str(tmp_path)) as read:
        parts = seed_parts(source, read)
    return [
        row
        for part in parts
        for table in Discover(source, reader)({"seed": part}, context)["found"]
        for row in table.to_pylist()
    ]


def candidate_parts(source: Source, tmp_path: Path, *taken_down: str) -> list[pa.Table]:
    rows = tables.from_rows(found_by(source, tmp_path), CANDIDATE)
    entries = Takedowns(tuple(entry for line in taken_down if (entry := parse(line, "x:1")))).to_table()
    context = Context(blobs_uri=str(tmp_path), output_uris={}, input_fingerprints={})
    inputs = {"found": gathered(rows), "takedown": gathered(entries)}
    return list(Candidates(source.candidates_per_unit)(inputs, context)["candidate"])


def gathered(table: pa.Table) -> pa.Table:
    return table.append_column(PART, pa.array([0] * table.num_rows, pa.int64()))


def units_of(source: Source, tmp_path: Path) -> list[set[str]]:
    return [set(part["audio_url"].to_pylist()) for part in candidate_parts(source, tmp_path)]


def test_every_place_is_listed_and_one_that_cannot_be_read_stays_as_a_row(tmp_path: Path) -> None:
    source = Fixed(pairs=(("http://a.test/1", None),), places=("http://feeds.test/1", "http://feeds.test/gone"))
    rows = {row["seed_url"]: row for row in found_by(source, tmp_path)}
    assert [rows[place]["status"] for place in source.places] == ["ok", "http_404"]
    assert rows["http://feeds.test/gone"]["status_detail"] == "not found"


def test_a_place_without_audio_is_a_row_that_says_so(tmp_path: Path) -> None:
    [row] = found_by(Fixed(pairs=()), tmp_path)
    assert (row["status"], row["page_url"], row["audio_url"]) == ("no_audio", "http://feeds.test/1", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Large(Fixed):
    """The same, with the last place large."""

    def seeds(self, read: Read) -> list[Seed]:
        return [Seed(url=place, is_large=place == self.places[-1]) for place in self.places]


def test_a_large_place_is_a_unit_of_its_own() -> None:
    source = Large(pairs=(), places=("http://feeds.test/1", "http://feeds.test/2", "http://feeds.test/3"))
    parts = seed_parts(source, lambda url: Page(url=url))
    assert sorted(part["url"].to_pylist() for part in parts) == [[*source.places[:2]], [source.places[2]]]


def test_a_source_without_places_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'fixed' has nothing to list; .*; check its root"):
        found_by(Fixed(pairs=(), places=()), tmp_path)


def test_a_pair_listed_twice_is_one_candidate(tmp_path: Path) -> None:
    pairs = (("http://a.test/1", None), ("http://a.test/1", None), ("http://a.test/1", "http://a.test/t"))
    source = Fixed(pairs=pairs, places=("http://feeds.test/1", "http://feeds.test/2"))
    [part] = candidate_parts(source, tmp_path)
    assert len(found_by(source, tmp_path)) == 6
    assert part["text_url"].to_pylist() in ([None, "http://a.test/t"], ["http://a.test/t", None])


@pytest.mark.parametrize(
    ("entry", "hit"),
    [
        ("host: a.test", {"http://a.test/1"}),
        ("http://text.test/", {"http://b.test/1"}),
        ("host: feeds.test", {"http://a.test/1", "http://b.test/1", "http://c.test/1"}),
        ("host: other.test", set()),
    ],
)
def test_a_candidate_that_was_taken_down_is_marked_and_no_other_row_changes(
    tmp_path: Path, entry: str, hit: set[str]
) -> None:
    pairs = (("http://a.test/1", None), ("http://b.test/1", "http://text.test/1"), ("http://c.test/1", None))
    source = Fixed(pairs=pairs)
    before, after = (pa.concat_tables(candidate_parts(source, tmp_path, *lines)) for lines in ((), (entry,)))
    marked = {row["audio_url"]: row["status_detail"] for row in after.to_pylist() if row["status"] == "taken_down"}
    assert marked == dict.fromkeys(hit, entry)
    assert [row for row in without_time(before) if row["audio_url"] not in hit] == [
        row for row in without_time(after) if row["audio_url"] not in hit
    ]


def test_a_candidate_is_taken_down_by_its_id(tmp_path: Path) -> None:
    source = Fixed(pairs=(("http://a.test/1", None), ("http://b.test/1", None)))
    name = pa.concat_tables(candidate_parts(source, tmp_path))["candidate_id"][0].as_py()
    marked = pa.concat_tables(candidate_parts(source, tmp_path, f"candidate: {name}"))
    assert [row["candidate_id"] for row in marked.to_pylist() if row["status"] == "taken_down"] == [name]


def without_time(table: pa.Table) -> list[Row]:
    return table.drop_columns(["discovered_ms"]).to_pylist()


def test_a_sites_candidates_stay_in_one_unit_also_through_their_captions(tmp_path: Path) -> None:
    pairs = tuple((f"http://h{number}.test/{item}", None) for number in range(40) for item in range(30))
    bridge = (("http://h1.test/b", "http://h2.test/t"), ("http://h2.test/b", "http://h3.test/t"))
    units = units_of(Fixed(pairs=pairs + bridge), tmp_path)
    assert len(units) > 1
    homes = {number: [unit for unit in units if f"http://h{number}.test/0" in unit] for number in range(40)}
    assert all(len(home) == 1 for home in homes.values())
    assert homes[1] == homes[2] == homes[3]
    assert all({f"http://h{number}.test/{item}" for item in range(30)} <= homes[number][0] for number in range(40))


def test_units_may_be_small_where_no_politeness_is_owed(tmp_path: Path) -> None:
    pairs = tuple((f"/audio/{item}.mp3", None) for item in range(256))
    assert 32 < len(units_of(Fixed(pairs=pairs, candidates_per_unit=4), tmp_path)) <= 64


def test_a_candidate_more_leaves_the_other_units_as_they_were(tmp_path: Path) -> None:
    pairs = tuple((f"/audio/{item}.mp3", None) for item in range(200))
    before = units_of(Fixed(pairs=pairs, candidates_per_unit=16), tmp_path)
    after = units_of(Fixed(pairs=(*pairs, ("/audio/new.mp3", None)), candidates_per_unit=16), tmp_path)
    assert sum(unit not in before for unit in after) == 1


def test_a_local_place_is_another_when_a_file_in_it_changes(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"x")
    source, read = FolderSource(root=str(tmp_path)), Path.read_bytes
    [before] = source.seeds(read)  # pyright: ignore[reportArgumentType]
    (tmp_path / "a.mp3").write_bytes(b"xy")
    [after] = source.seeds(read)  # pyright: ignore[reportArgumentType]
    assert before.url == after.url == str(tmp_path.resolve())
    assert before.validator != after.validator


def test_mistakes_name_the_value_and_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'/nowhere' is not a folder; .*; give root=PATH"):
        found_by(FolderSource(root="/nowhere"), tmp_path)
    with pytest.raises(UserError, match="is not a file; expected JSONL, CSV or Parquet"):
        found_by(ListingSource(root=str(tmp_path / "none.jsonl")), tmp_path)


def test_reading_is_polite_and_a_failure_is_a_status(tmp_path: Path) -> None:
    with PageReader(HttpOptions(attempts=1, delay_s=0.0, contact="+me")).open(str(tmp_path)) as read:
        assert read("http://127.0.0.1:9/l.jsonl").status != "ok"
        assert read(str(tmp_path / "none")).status == "missing_file"
    with (
        PageReader(HttpOptions()).open(str(tmp_path)) as read,
        pytest.raises(UserError, match="host 'h.test' would be fetched from without a contact"),
    ):
        read("https://h.test/l.jsonl")
