"""Photograph pages with a headless Chromium, and serve MLflow's while that lasts."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

from pipeline.errors import DataError, UserError

START_S = 90.0
SETTLE_MS = 1500  # until what moves has come to rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A window's size; selectors of what is scrolled to its top, awaited, pressed and masked; '' for nothing."""

    width: int
    height: int
    at: str = ""
    awaited: str = ""
    pressed: str = ""
    masked: str = ""
    is_dark: bool = False


def shoot(chromium: str, pages: Mapping[str, tuple[str, Shot]]) -> dict[str, bytes]:
    """Return a PNG of each page; UserError without a browser or what drives it."""
    path = shutil.which(chromium)
    if path is None or importlib.util.find_spec("playwright") is None:
        raise UserError(
            f"chromium {chromium!r} or the package playwright is not installed; expected both to take pictures; "
            "run: apt-get install chromium, pip install playwright"
        )
    from playwright.sync_api import sync_playwright

    taken: dict[str, bytes] = {}
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        for name, (address, shot) in pages.items():
            page = browser.new_page(
                viewport={"width": shot.width, "height": shot.height},
                color_scheme="dark" if shot.is_dark else "light",
            )
            page.goto(address)
            if shot.awaited:
                page.wait_for_selector(shot.awaited, timeout=1000 * START_S)
            if shot.pressed:
                page.locator(shot.pressed).click()
            if shot.at:
                page.locator(shot.at).evaluate("one => one.scrollIntoView()")
            page.wait_for_timeout(SETTLE_MS)
            hidden = [page.locator(shot.masked)] if shot.masked else []
            taken[name] = page.screenshot(mask=hidden, mask_color="#ffffff")
            page.close()
        browser.close()
    return taken


@contextmanager
def tracking_server(tracking_uri: str) -> Generator[str]:
    """Serve a store with MLflow on the loopback, and stop it at the end; DataError when it does not start."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    arguments = ["ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", *arguments, "--backend-store-uri", tracking_uri]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _await(address, server)
            yield address
        finally:
            server.terminate()


def _await(address: str, server: subprocess.Popen[bytes]) -> None:
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s and server.poll() is None:
        try:
            with urlopen(f"{address}/health", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise DataError(f"MLflow's server does not answer at {address}; expected it within {START_S:g} s; run: make ui")
