from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from pipeline.report import wording
from pipeline.report.html import to_html
from pipeline.report.plain import to_json, to_terminal
from pipeline.report.summary import Summary, summarise
from pipeline.report.view import audio_steps, matrix, recording_steps
from tests.pipeline.report.run import PAYLOAD, nothing, tables_of_run


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarise(tables_of_run())


@pytest.fixture(scope="module")
def page(summary: Summary) -> str:
    return to_html(summary)


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


def test_a_payload_in_title_text_source_or_detail_stays_text(page: str) -> None:
    assert "onerror" in page and PAYLOAD not in page
    tags = _tags(page)
    assert not [tag for tag, _ in tags if tag in {"img", "iframe", "object", "link"}]
    assert not [names for _, names in tags if any(name.startswith("on") or name == "style" for name in names)]


def test_the_page_runs_nothing_and_asks_for_nothing(page: str) -> None:
    tags = _tags(page)
    assert [names["type"] for tag, names in tags if tag == "script"] == ["application/json"]
    assert not [names for _, names in tags if "src" in names or "href" in names]
    [policy] = [names["content"] or "" for _, names in tags if names.get("http-equiv") == "Content-Security-Policy"]
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "url(" not in style and "@import" not in style


def test_the_page_carries_its_numbers(page: str, summary: Summary) -> None:
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data)["kept"] == {"name": "kept", "num": 3, "duration_ms": 65_000}
    assert json.loads(to_json(summary))["kept"] == json.loads(data)["kept"]


def test_json_has_the_rates_too(summary: Summary) -> None:
    assert json.loads(to_json(summary))["truth_rates"] == {"precision": 0.5, "recall": 1.0}


def test_the_page_begins_with_the_verdict(page: str) -> None:
    assert "<h1>1.1 min of 2.0 min of audio are kept (54.2 %), from 1 of 4 recordings.</h1>" in page


def test_the_terminal_says_what_why_and_where_in_forty_lines(summary: Summary) -> None:
    text = to_terminal(summary, "data/report.html", "data/shards")
    assert len(text.splitlines()) <= 40
    assert "repeated lines" in text and "1 http 404" in text
    assert "report  data/report.html" in text and "shards  data/shards" in text


def test_the_terminal_is_not_steered_by_names(summary: Summary) -> None:
    assert "\x1b" not in to_terminal(summary, "data/\x1b[2J", "data/shards")


def test_a_run_that_found_nothing_has_a_report() -> None:
    empty = summarise(nothing())
    assert "0 s of 0 s of audio are kept (–), from 0 of 0 recordings." in to_html(empty)
    assert "recordings: 0 kept" in to_terminal(empty, "r", "s")


def test_the_waterfall_ends_where_what_is_kept_ends(summary: Summary) -> None:
    for steps in (audio_steps(summary), recording_steps(summary)):
        lost = [step for step in steps if step.tone == "lost"]
        kept = [step for step in steps if step.tone == "kept"]
        assert lost[-1].start == pytest.approx(kept[-1].start + kept[-1].width)
        assert sum(step.amount for step in lost + kept) == steps[0].amount


def test_a_table_of_many_columns_gathers_the_small_ones(summary: Summary) -> None:
    table = matrix(summary.by_language, "rejected")
    assert table.columns == ("transcribe", "translate", "no_speech", "rejected")
    assert (table.totals, table.total) == ((30_000, 20_000, 15_000, 48_000), 113_000)
    assert [name for name, _, _ in table.rows] == ["sw", "en", "und"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.hours(59_400), "59 s"),
        (wording.hours(90_000), "1.5 min"),
        (wording.hours(3_600_000 * 1234), "1,234 h"),
        (wording.hours_of(1_800_000, 7_200_000), "0.50 h"),
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
