"""The report in a browser: nothing of the web runs in it, and people can find, sort, read, hear and print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Open, written
from tests.browser.payloads import PAYLOADS, hostile
from tests.pipeline.report.run import nothing, tables_of_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = (320, 390, 1280)
OUR_TAGS = re.compile(
    "html|head|meta|link|title|style|script|body|a|header|nav|main|section|article|footer|h[123]|p|div|span|b|br|kbd|"
    "dl|dt|dd|ul|li|table|thead|tbody|tr|th|td|figure|svg|g|path|rect|line|text|img|audio|details|summary|"
    "label|input|select|option|button"
)


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("hostile"), hostile())


def test_forty_payloads_in_every_field_are_text_and_nothing_else(opened: Open, hostile_report: Path) -> None:
    assert len(PAYLOADS) == 40
    watch = opened(hostile_report)
    page = watch.page
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    for sign in ("onmouseover", "javascript:", "</script>"):
        page.fill("#filter", sign)
    page.fill("#filter", "")
    page.locator("table.sort thead button").evaluate_all("all => all.forEach(one => one.click())")
    options = page.locator("#group option").evaluate_all("all => all.map(one => one.value)")
    assert set(options) <= {"", *PAYLOADS} and len(options) > 12
    for value in options:
        page.select_option("#group", value=value)
    page.wait_for_timeout(200)
    assert page.evaluate("window.hit") is None
    tags = page.evaluate("[...new Set([...document.querySelectorAll('*')].map(one => one.tagName.toLowerCase()))]")
    assert [tag for tag in tags if not OUR_TAGS.fullmatch(tag)] == []
    assert page.locator("script").count() == 2 and page.locator("style").count() == 1
    assert page.locator("img").count() == page.locator("audio").count() == page.locator("article").count()
    text = " ".join(page.evaluate("document.body.textContent").split())
    assert [payload for payload in PAYLOADS if " ".join(payload.split()) not in text] == []
    watch.must_be_quiet()


def test_a_payload_finds_no_way_in_without_its_script_either(opened: Open, hostile_report: Path) -> None:
    watch = opened(hostile_report, java_script_enabled=False)
    assert watch.page.locator("main section").count() > 8
    assert not watch.page.locator("#filter").is_visible()
    watch.must_be_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_its_window(
    opened: Open, report: Path, hostile_report: Path, width: int, scheme: str
) -> None:
    for path in (report, hostile_report):
        watch = opened(path, width=width, color_scheme=scheme)
        watch.page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        assert watch.page.evaluate("document.documentElement.scrollWidth") <= width
        watch.must_be_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(opened: Open, report: Path, scheme: str) -> None:
    page = opened(report, color_scheme=scheme).page
    for name in ("--ink", "--soft", "--kept", "--rejected"):
        for behind in ("--page", "--panel"):
            assert page.evaluate(CONTRAST, [name, behind]) >= 4.5, (name, behind)


CONTRAST = """([name, behind]) => {
  const style = getComputedStyle(document.documentElement);
  const light = (color) => {
    const parts = style.getPropertyValue(color).trim().match(/[0-9a-f]{2}/gi).map((two) => parseInt(two, 16) / 255);
    const [r, g, b] = parts.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [a, b] = [light(name), light(behind)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""


def test_the_filter_finds_rows_charts_and_clips_and_escape_brings_all_back(opened: Open, report: Path) -> None:
    watch = opened(report)
    page = watch.page
    page.keyboard.press("/")
    page.keyboard.type("repeated lines")
    assert page.locator("#reasons tr.find:visible th").first.inner_text() == "repeated lines"
    assert page.locator(".clip:visible").count() == 1
    assert not page.locator("#funnel").is_visible()
    assert page.locator("#found").inner_text().partition(" of ")[0] == str(page.locator(".find:visible").count())
    page.keyboard.press("Escape")
    assert page.locator("#funnel").is_visible() and page.locator("#found").inner_text() == ""
    watch.must_be_quiet()


def test_a_head_sorts_its_column_both_ways_and_totals_stay_below(opened: Open, report: Path) -> None:
    page = opened(report).page
    table = page.locator("#languages table").first
    head = table.locator("thead button", has_text="rejected")
    orders: list[list[str]] = []
    for _ in range(2):
        head.focus()
        page.keyboard.press("Enter")
        orders.append(table.locator("tbody th").all_inner_texts())
    assert orders == [["sw", "en", "und", "together"], ["und", "en", "sw", "together"]]
    assert table.locator("th[aria-sort=ascending]").count() == 1


def test_a_clip_plays_and_its_cue_lights_up_and_only_one_is_heard(opened: Open, report: Path) -> None:
    watch = opened(report)
    page = watch.page
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.className").split()[-2:] == ["clip", "find"]
    page.keyboard.press("p")
    first = page.locator("article audio").first
    eventually(page, "document.querySelector('article audio').currentTime > 0.05")
    assert page.locator("article").first.locator(".text .on").count() == 1
    page.keyboard.press("j")
    page.keyboard.press("p")
    eventually(page, "document.querySelector('article audio').paused")
    assert first.evaluate("audio => audio.paused")
    assert page.locator("article audio").nth(1).evaluate("audio => !audio.paused && audio.error === null")
    watch.must_be_quiet()


def eventually(page: Page, condition: str) -> None:
    """Wait for a condition; Playwright's own waiting evaluates text in the page, which its policy forbids."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{condition} never held")


def test_the_room_is_chosen_by_reason_and_by_language(opened: Open, report: Path) -> None:
    page = opened(report).page
    page.select_option("#group", value="kept: translate")
    assert page.locator(".clip:visible").count() == 1
    page.select_option("#lang", value="en")
    assert page.locator(".clip:visible").count() == 0
    assert page.locator("#num-clips").inner_text().startswith("0 of ")


def test_light_and_dark_can_be_chosen(opened: Open, report: Path) -> None:
    page = opened(report, color_scheme="dark").page
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_it_prints_with_everything_open_and_no_controls(opened: Open, report: Path) -> None:
    watch = opened(report, color_scheme="dark")
    page = watch.page
    assert page.pdf()[:5] == b"%PDF-"
    page.emulate_media(media="print")
    assert page.locator("details[open]").count() == page.locator("details").count() > 0
    assert not page.locator("#filter").is_visible() and not page.locator("audio").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    watch.must_be_quiet()


def test_a_run_that_found_nothing_and_one_of_one_row_are_pages_too(opened: Open, tmp_path: Path) -> None:
    one = {name: table.slice(0, 1) for name, table in tables_of_run().items()}
    for number, tables in enumerate((nothing(), one)):
        folder = tmp_path / str(number)
        folder.mkdir()
        watch = opened(written(folder, tables))
        watch.page.fill("#filter", "sw")
        watch.page.fill("#filter", "")
        assert watch.page.locator("h1").inner_text().endswith("recordings.")
        watch.must_be_quiet()
