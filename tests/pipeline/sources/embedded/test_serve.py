from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pipeline.sources.embedded.serve import serve


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    web = tmp_path / "web"
    web.mkdir()
    (tmp_path / "labels.jsonl").write_text("the truth")
    (web / "a.vtt").write_text("WEBVTT\n\nሰላም", encoding="utf-8")
    (web / "a.m4a").write_bytes(b"sound")
    return web


def test_a_folder_is_served_with_the_types_players_expect(folder: Path) -> None:
    with serve(folder) as port:
        for name, media_type in (("a.vtt", "text/vtt; charset=utf-8"), ("a.m4a", "audio/mp4")):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}") as response:
                assert response.headers["Content-Type"] == media_type
                assert response.read() == (folder / name).read_bytes()


@pytest.mark.parametrize("path", ["b.vtt", "../labels.jsonl", "%2e%2e/labels.jsonl"])
def test_what_is_not_in_the_folder_is_not_found(folder: Path, path: str) -> None:
    with serve(folder) as port, pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}")


def test_the_port_is_closed_after_the_block(folder: Path) -> None:
    with serve(folder) as port:
        pass
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/a.vtt")
