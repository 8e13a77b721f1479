from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from pipeline.report import wording
from pipeline.report.counts import Cell
from pipeline.report.html import SECTIONS, to_html
from pipeline.report.plain import to_json, to_terminal
from pipeline.report.summary import Summary, summarise
from pipeline.report.view import confusion, funnel, licenses, matrix
from tests.pipeline.report.run import PAYLOAD, nothing, run_of, silent_room, tables_of_run


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarise(run_of(tables_of_run()))


@pytest.fixture(scope="module")
def page(summary: Summary) -> str:
    return to_html(summary, silent_room(summary))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def _tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = _Reader()
    reader.feed(page)
    return reader.tags


def test_a_payload_in_any_field_stays_text(page: str) -> None:
    assert "onerror" in page and PAYLOAD not in page
    tags = _tags(page)
    assert not [tag for tag, _ in tags if tag in {"img", "iframe", "object", "embed", "form"}]
    assert not [names for _, names in tags if any(name.startswith("on") or name == "style" for name in names)]


def test_the_page_runs_its_own_script_and_asks_for_nothing(page: str) -> None:
    tags = _tags(page)
    addresses = [names[name] or "" for _, names in tags for name in ("src", "href") if name in names]
    assert {address[:1] for address in addresses} == {"#", "d"} and "data:," in addresses
    [policy] = [names["content"] or "" for _, names in tags if names.get("http-equiv") == "Content-Security-Policy"]
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    expected = f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; img-src data:;"
    assert policy.startswith(expected)
    assert "url(" not in style and "@import" not in style


def test_the_page_carries_its_numbers(page: str, summary: Summary) -> None:
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data)["kept"] == {"name": "kept", "num": 3, "duration_ms": 65_000}
    assert json.loads(to_json(summary))["kept"] == json.loads(data)["kept"]


def test_json_has_the_rates_too(summary: Summary) -> None:
    assert json.loads(to_json(summary))["truth_rates"] == {"precision": 0.5, "recall": 1.0}


def test_the_page_begins_with_the_verdict_and_the_funnel(page: str) -> None:
    assert "<h1>1.1 min of 2.0 min of audio are kept (54.2 %), from 1 of 4 recordings.</h1>" in page
    assert re.findall(r'<section id="(\w+)">', page) == [name for name in SECTIONS if name != "changes"]


def test_a_window_without_sound_says_why_and_shows_its_text(page: str) -> None:
    assert "No sound: its audio is not stored any more." in page


def test_a_sample_says_its_size(summary: Summary, page: str) -> None:
    assert "Every window is counted." in page
    sampled = summarise(run_of(tables_of_run()), sample_windows=3)
    text = to_html(sampled, silent_room(sampled))
    assert f"Drawn of a sample: {sampled.sample.num} of 7 windows" in text


def test_the_terminal_says_what_why_and_where_in_forty_lines(summary: Summary) -> None:
    text = to_terminal(summary, "data/report.html", "data/shards")
    assert len(text.splitlines()) <= 40
    assert "repeated lines" in text and "1 http 404" in text
    assert "report  data/report.html" in text and "shards  data/shards" in text


def test_the_terminal_is_not_steered_by_names(summary: Summary) -> None:
    assert "\x1b" not in to_terminal(summary, "data/\x1b[2J", "data/shards")


@pytest.mark.parametrize("num_parts", [0, 1])
def test_a_run_that_found_nothing_has_a_report(num_parts: int) -> None:
    empty = summarise(run_of(nothing(), num_parts, labels=()))
    assert "0 s of 0 s of audio are kept (–), from 0 of 0 recordings." in to_html(empty, silent_room(empty))
    assert "recordings: 0 kept" in to_terminal(empty, "r", "s")


def _units(text: str) -> int:
    return round(10 * float(text.partition(" ")[0]))


def test_the_funnel_adds_up_in_rows_in_milliseconds_and_as_written(summary: Summary) -> None:
    steps = funnel(summary)
    wholes = [number for number, step in enumerate(steps) if step.tone in {"whole", "kept"}]
    candidates, fetched, windows, kept, shards = wholes
    assert [steps[number].label for number in wholes] == [
        *("Candidates", "Fetched and decoded", "Windows", "Kept", "In shards")
    ]

    def num(start: int, end: int) -> int:
        return sum(step.num or 0 for step in steps[start + 1 : end])

    assert steps[candidates].num == num(candidates, fetched) + (steps[fetched].num or 0)
    assert steps[windows].num == num(windows, kept) + (steps[kept].num or 0)
    assert steps[kept].num == num(kept, shards) == steps[shards].num
    for start, end, rest in ((fetched, windows, windows), (windows, kept, kept), (kept, shards, None)):
        parts = [*steps[start + 1 : end], *([steps[rest]] if rest is not None else [])]
        assert sum(part.duration_ms or 0 for part in parts) == steps[start].duration_ms
        assert sum(_units(part.hours) for part in parts) == _units(steps[start].hours)
    assert steps[kept].start + steps[kept].width == pytest.approx(steps[kept - 1].start)


@pytest.mark.parametrize(
    ("parts", "whole", "expected"),
    [
        ([2_000, 2_000, 2_000], 6_000, [1, 0, 0]),  # thirds of 0.1 min
        ([5_999, 1], 6_000, [1, 0]),
        ([0, 0], 0, [0, 0]),
        ([360_000_000, 180_000, 180_000], 360_360_000, [1000, 1, 0]),  # hours to one digit
    ],
)
def test_rounded_parts_add_up_to_the_rounded_whole(parts: list[int], whole: int, expected: list[int]) -> None:
    units = wording.in_units(parts, whole)
    assert units == expected
    assert wording.written(sum(units), whole) == wording.hours_of(sum(parts), whole)


def test_a_table_of_many_columns_gathers_the_small_ones(summary: Summary) -> None:
    table = matrix(summary.by_language, "rejected")
    assert table.columns == ("transcribe", "translate", "no_speech", "rejected")
    assert (table.totals, table.total) == ((30_000, 20_000, 15_000, 48_000), 113_000)
    assert [name for name, _, _ in table.rows] == ["sw", "en", "und"]


def _cells(names: str, column: str = "x") -> list[Cell]:
    return [Cell(row=name, column=column, num=1, duration_ms=10 - index) for index, name in enumerate(names)]


def test_a_table_of_many_rows_gathers_the_small_ones() -> None:
    table = matrix(_cells("abcd"), max_rows=2)
    assert [(name, total) for name, _, total in table.rows] == [("a", 10), ("b", 9), ("others", 15)]


def test_a_confusion_has_its_agreement_on_the_diagonal() -> None:
    cells = [
        Cell(row="sw", column="en", num=9, duration_ms=0),
        Cell(row="en", column="en", num=5, duration_ms=0),
        Cell(row="sw", column="sw", num=3, duration_ms=0),
        Cell(row="en", column="fr", num=1, duration_ms=0),
    ]
    table = confusion(cells)
    assert table.columns == ("sw", "en", "fr")
    assert table.rows == (("sw", (3, 9, 0), 12), ("en", (0, 5, 1), 6))
    many = confusion([Cell(row=f"{n:02}", column=f"{n:02}", num=1, duration_ms=0) for n in range(40)])
    assert (len(many.columns), many.total, many.columns[-1]) == (15, 40, "others")


def test_licences_put_their_states_together(summary: Summary) -> None:
    [line] = licenses(summary)
    assert (line.name, line.num, line.num_accepted, line.kept_ms) == (PAYLOAD, 4, 1, 65_000)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.hours(59_400), "59 s"),
        (wording.hours(90_000), "1.5 min"),
        (wording.hours(3_600_000 * 1234), "1,234 h"),
        (wording.hours_of(1_800_000, 7_200_000), "0.50 h"),
        (wording.bare(1_800_000, 7_200_000), "0.50"),
        (wording.unit(7_200_000), "h"),
        (wording.change(60_000, 30_000), "−30 s"),
        (wording.change(0, 90_000), "+1.5 min"),
        (wording.change(5, 5), "="),
        (wording.limit("min", 0.5), "at least 0.5"),
        (wording.limit("equals", True), "only yes"),
        (wording.explained("duplicate:minhash"), "another recording holds the same and stands for it"),
        (wording.explained("noisy"), ""),
        (wording.share(1, 10_000), "< 0.1 %"),
        (wording.share(9_999, 10_000), "> 99.9 %"),
        (wording.share(0, 5), "0 %"),
        (wording.share(5, 5), "100 %"),
        (wording.share(0, 0), "–"),
        (wording.size(999), "999 B"),
        (wording.size(1_500_000), "1.5 MB"),
        (wording.clock(3_723_000), "1:02:03"),
        (wording.count(1, "tar"), "1 tar"),
        (wording.count(1200, "tar"), "1,200 tars"),
        (wording.number(False), "no"),
        (wording.number(30_000), "30,000"),
    ],
)
def test_numbers_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected
