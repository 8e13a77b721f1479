"""Discovery reads pages as politely as files are fetched, and remembers them likewise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.read import PageReader

OPTIONS = HttpOptions(allow_private=True, delay_s=0.0, timeout_s=2.0)


def test_a_page_says_where_it_was_and_what_refuses_it(web, tmp_path: Path) -> None:
    web.answers |= {
        "/old": (302, {"Location": "/page"}, b""),
        "/page": (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>"),
        "/no": (200, {"X-Robots-Tag": "noai"}, b"<html>"),
    }
    with PageReader(OPTIONS).open(str(tmp_path)) as read:
        page, refused = read(f"{web.base}/old"), read(f"{web.base}/no")
    assert (page.status, page.url, page.body) == ("ok", f"{web.base}/page", b"<html>")
    assert page.content_type == "text/html; charset=utf-8"
    assert (refused.status, refused.opt_outs, refused.body) == ("opted_out", ("X-Robots-Tag: noai",), b"")


def test_pages_read_from_many_threads_are_asked_for_once_until_a_refresh(web, tmp_path: Path) -> None:
    web.answers["/page"] = (200, {}, b"<html>")
    for refresh in ("", "", "again"):
        with PageReader(OPTIONS, refresh=refresh).open(str(tmp_path)) as read, ThreadPoolExecutor(8) as pool:
            assert {page.body for page in pool.map(read, [f"{web.base}/page"] * 8)} == {b"<html>"}
    assert web.asked == ["/page"] * 2


def test_a_local_page_is_read_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(b"<html>")
    with PageReader(OPTIONS).open(str(tmp_path / "blobs")) as read:
        assert read(str(tmp_path / "page.html")).body == b"<html>"
        assert read(str(tmp_path / "gone.html")).status == "missing_file"


def test_a_page_of_anybody_needs_a_contact(tmp_path: Path) -> None:
    with (
        PageReader(HttpOptions()).open(str(tmp_path)) as read,
        pytest.raises(UserError, match=r"host 'theirs.test' would be fetched from without a contact"),
    ):
        read("http://theirs.test/page")
