"""A headless Chromium, and what it is shown. Without one installed these tests are skipped, and say so."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline.audio import SAMPLE_RATE, Pcm
from pipeline.report.clips import furnish
from pipeline.report.html import to_html
from pipeline.report.summary import Summary, summarise
from tests.pipeline.report.run import Tables, run_of, tables_of_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OWN = ("file:", "data:", "blob:", "about:")


class Watch:
    """What a page did that a report must not do."""

    def __init__(self, page: Page) -> None:
        """Listen to a page before it is loaded."""
        self.page = page
        self.dialogs: list[str] = []
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("dialog", self._dialog)
        page.on("request", lambda request: request.url.startswith(OWN) or self.requests.append(request.url))
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.context.on("page", lambda other: self.requests.append(f"opened {other.url}"))

    def must_be_quiet(self) -> None:
        """Assert that nothing was asked, said or complained of."""
        assert (self.dialogs, self.requests, self.complaints) == ([], [], [])

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


@pytest.fixture(scope="session")
def installed() -> None:
    """Skip where there is no browser, or nothing to drive it with."""
    if CHROMIUM is None or importlib.util.find_spec("playwright") is None:
        pytest.skip("needs Chromium and playwright: make browser")


@pytest.fixture(scope="module")  # a running playwright holds an event loop, and other tests bring theirs
def browser(installed: None) -> Iterator[Browser]:
    """Start Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield running
        running.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of the small run, with sound."""
    return written(tmp_path_factory.mktemp("report"), tables_of_run())


def written(folder: Path, tables: Tables) -> Path:
    """Write a run's report to a folder, its audio a tone."""
    summary: Summary = summarise(run_of(tables))
    path = folder / "report.html"
    path.write_text(to_html(summary, furnish(summary.drawn, lambda _: _TONE, 4_000_000)), encoding="utf-8")
    return path


Open = Callable[..., Watch]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Open files in pages of their own; `opened(path, width=390, color_scheme="dark")`."""
    contexts: list[Any] = []

    def open_page(path: Path, width: int = 1280, height: int = 900, **options: Any) -> Watch:
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        watch = Watch(context.new_page())
        watch.page.goto(path.as_uri())
        return watch

    yield open_page
    for context in contexts:
        context.close()


_SECONDS = np.arange(60 * SAMPLE_RATE) / SAMPLE_RATE
_TONE: Pcm = (6000 * np.sin(2 * np.pi * 440 * _SECONDS)).astype(np.int16)
