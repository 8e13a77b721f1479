"""Pictures of pages: their size, where they begin, light or dark, and nothing in them that is to be hidden."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from jobs.ingesting import shooting
from jobs.ingesting.shooting import Shot, shoot
from tests.browser.conftest import CHROMIUM

PAGE = """<!doctype html><style>body { margin: 0; background: #ff0000 } #far { margin-top: 3000px; height: 900px;
background: #00ff00 } @media (prefers-color-scheme: dark) { body { background: #000 } } b { display: block;
width: 100px; height: 100px; background: #0000ff }</style><b>secret</b><div id=far></div>"""


@pytest.mark.usefixtures("installed")
def test_a_page_is_photographed_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shooting, "SETTLE_MS", 200)
    page = tmp_path / "page.html"
    page.write_text(PAGE)
    shots = {
        "top": Shot(width=320, height=200, masked="b"),
        "dark": Shot(width=320, height=200, is_dark=True),
        "far": Shot(width=320, height=200, at="#far", awaited="#far", pressed="#far"),
    }
    pages = {name: (page.as_uri(), shot) for name, shot in shots.items()}
    with ThreadPoolExecutor() as thread:  # in this one another browser may be running
        taken = thread.submit(shoot, str(CHROMIUM), pages).result()
    images = {name: Image.open(io.BytesIO(data)).convert("RGB") for name, data in taken.items()}
    assert {image.size for image in images.values()} == {(320, 200)}
    assert images["top"].getpixel((50, 50)) == (255, 255, 255)
    assert images["top"].getpixel((200, 100)) == (255, 0, 0)
    assert images["dark"].getpixel((200, 100)) == (0, 0, 0)
    assert images["far"].getpixel((100, 50)) == (0, 255, 0)
