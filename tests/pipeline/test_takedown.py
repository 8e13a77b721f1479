"""A take-down names what it should and nothing else, and a mistake in a list is told with its line."""

from __future__ import annotations

import pickle
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.page import Page, Read
from pipeline.takedown import SparingReader, Takedowns, from_table, in_force, parse, put_in_force, read_lists

SHA = "ab" * 32


def takedowns(*lines: str) -> Takedowns:
    return Takedowns(tuple(entry for line in lines if (entry := parse(line, "list.txt:1"))))


@pytest.mark.parametrize(
    ("line", "url", "is_hit"),
    [
        ("https://a.test/show/", "https://a.test/show/1.mp3", True),
        ("https://a.test/show/", "http://A.test:80/show/1.mp3", True),
        ("https://a.test/show/", "https://user@a.test/show/1.mp3", True),
        ("https://a.test/caf%C3%A9/", "https://a.test/café/1.mp3", True),
        ("https://a.test/show/", "https://a.test/other/1.mp3", False),
        ("https://a.test/show/", "https://a.test:8443/show/1.mp3", False),
        ("https://a.test", "https://a.test/anything", True),
        ("https://a.test", "https://a.test.evil.test/", False),
        ("https://a.test/x?id=1", "https://a.test/x?id=12", True),
        ("a.test", "https://a.test/1", True),
        ("a.test", "https://cdn.a.test:8080/1", True),
        ("host: A.test.", "https://a.test/1", True),
        ("a.test", "https://ba.test/1", False),
        ("cdn.a.test", "https://a.test/1", False),
        ("host: bücher.test", "https://xn--bcher-kva.test/1", True),
        ("host: 192.0.2.7", "http://192.0.2.7/1", True),
        ("/talks/one", "/talks/one.mp3", True),
        ("/talks/one", "/talks/two.mp3", False),
        ("s3://bucket/talks/", "s3://bucket/talks/1.mp3", True),
        ("a.test", "http://[broken/", False),
    ],
)
def test_an_address_is_taken_down_by_its_beginning_or_its_host(line: str, url: str, is_hit: bool) -> None:
    assert (takedowns(line).of_url(url) is not None) == is_hit


def test_ids_are_taken_down_by_name_and_a_window_by_either_spelling() -> None:
    made = takedowns("recording: aa", "candidate: bb", f"sha256: {SHA}", "sample: cc_1000", "sample: dd:2000")
    assert str(made.named("recording", "aa")) == "recording: aa"
    assert made.named("candidate", "bb") and made.named("sha256", SHA)
    assert made.named("recording", "bb") is None and made.named("sha256", None) is None
    assert made.of_segment("cc:1000") and made.of_segment("dd:2000") and not made.of_segment("cc:2000")
    assert sorted(made.segments()) == ["cc:1000", "dd:2000"]
    assert made.of_urls([None, "https://a.test/"]) is None


def test_lists_are_read_with_comments_and_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("# asked on 2026-11-03\n\nhttps://a.test/x#part  # the owner\nb.test # all of it\n")
    (tmp_path / "b.txt").write_text("b.test\n")
    (tmp_path / "notes.md").write_text("no list\n")
    assert [str(entry) for entry in read_lists(str(tmp_path)).entries] == ["host: b.test", "https://a.test/x#part"]
    assert read_lists(str(tmp_path / "none")).entries == ()


@pytest.mark.parametrize(
    "line", ["recordings: aa", "nonsense", "host: com", "host:", "sha256: 12", "https:///x", "recording:", "sample: aa"]
)
def test_a_mistake_is_told_with_its_file_and_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.txt").write_text(f"b.test\n{line}\n")
    with pytest.raises(UserError, match=r"take-down '.*' at .*a\.txt:2 is no entry; expected an address, a host"):
        read_lists(str(tmp_path))


def test_the_table_and_the_list_in_force_say_the_same_in_one_order(tmp_path: Path) -> None:
    one, other = takedowns("b.test", "recording: aa", "b.test"), takedowns("recording: aa", "b.test")
    assert one.to_table().equals(other.to_table())
    assert from_table(one.to_table()) == one == other == pickle.loads(pickle.dumps(one))
    assert in_force(str(tmp_path)).entries == ()
    put_in_force(str(tmp_path), one)
    assert in_force(str(tmp_path)) == one


def test_a_reader_asks_for_nothing_that_was_taken_down() -> None:
    asked: list[str] = []

    class Pages:
        @contextmanager
        def open(self, blobs_uri: str) -> Generator[Read]:
            yield lambda url: asked.append(url) or Page(url=url)

    with SparingReader(Pages(), takedowns("a.test")).open("") as read:
        page = read("https://a.test/feed.xml")
        assert (page.status, page.detail) == ("taken_down", "host: a.test")
        assert read("https://b.test/feed.xml").status == "ok"
    assert asked == ["https://b.test/feed.xml"]
