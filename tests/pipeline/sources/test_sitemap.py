"""A sitemap's pages are read once each, within its own site and limits; what may not be had is a row."""

from __future__ import annotations

import gzip

import pytest

from pipeline.errors import UserError
from pipeline.page import Page
from pipeline.sources.sitemap import SitemapSource
from tests.faults.pages import html
from tests.pipeline.sources.finding import HOME, found, pairs_of, reading, short

SPACES = (
    'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
    'xmlns:video="http://www.google.com/schemas/sitemap-video/1.1" '
    'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
)
PAGE = html()


def urlset(*urls: str) -> str:
    return f"<urlset {SPACES}>{''.join(urls)}</urlset>"


def url(name: str, extra: str = "") -> str:
    return f"<url><loc>\n {name}</loc>{extra}<lastmod>2099-01-01</lastmod><priority>1.0</priority></url>"


def index(*names: str) -> str:
    return f"<sitemapindex {SPACES}>{''.join(f'<sitemap><loc>{name}</loc></sitemap>' for name in names)}</sitemapindex>"


def video(**fields: str) -> str:
    return (
        f"<video:video>{''.join(f'<video:{key}>{value}</video:{key}>' for key, value in fields.items())}</video:video>"
    )


def test_the_listed_pages_are_read_as_pages() -> None:
    asked: list[str] = []
    documents = {"s.xml": urlset(url("p"), url("q"), url("p")), "p": PAGE, "q": html("")}
    rows = found(SitemapSource(root="s.xml"), documents, asked)
    assert [(row.status, short(row.page_url)) for row in rows] == [("ok", "p"), ("no_audio", "q")]
    assert asked == ["s.xml", "p", "q"]


def test_an_index_leads_to_sitemaps_gzipped_or_of_plain_lines() -> None:
    packed = gzip.compress(urlset(url(HOME + "p")).encode())
    documents = {
        "i.xml": index("s.xml.gz", "s.txt", "i.xml"),
        "s.xml.gz": packed,
        "s.txt": f"{HOME}q\nnot an address\n",
        "p": PAGE,
        "q": PAGE,
    }
    rows = found(SitemapSource(root="i.xml"), documents)
    assert [(row.status, short(row.page_url)) for row in rows] == [("ok", "p"), ("ok", "q")]


def test_loops_and_depth_and_numbers_are_bounded() -> None:
    asked: list[str] = []
    deep = {f"{n}.xml": index(f"{n + 1}.xml", "0.xml") for n in range(9)}
    rows = found(SitemapSource(root="0.xml"), deep, asked)
    assert asked == ["0.xml", "1.xml", "2.xml", "3.xml"]
    assert [row.status for row in rows] == ["over_limit"]
    wide = {"i.xml": index(*(f"{n}.xml" for n in range(9))), **{f"{n}.xml": urlset() for n in range(9)}}
    assert [row.status for row in found(SitemapSource(root="i.xml", max_sitemaps=4), wide)] == ["over_limit"]
    pages = {"s.xml": urlset(*(url(f"p{n}") for n in range(5))), **{f"p{n}": PAGE for n in range(5)}}
    rows = found(SitemapSource(root="s.xml", max_pages=3), pages)
    assert [row.status for row in rows] == ["ok", "ok", "ok", "over_limit"]


def test_other_sites_are_not_visited() -> None:
    asked: list[str] = []
    documents = {"i.xml": index("http://other.test/s.xml", "s.xml"), "s.xml": urlset(url("http://other.test/p"))}
    assert found(SitemapSource(root="i.xml"), documents, asked) == []
    assert asked == ["i.xml", "s.xml"]


def test_a_videos_file_and_title_complete_what_the_page_says() -> None:
    told = video(content_loc="v.mp4", title="A video", duration="90", live="no")
    transcript = '<script type="application/ld+json">{"@type": "VideoObject", "transcript": "Hi"}</script>'
    [row] = found(SitemapSource(root="s.xml"), {"s.xml": urlset(url("p", told)), "p": html("", transcript)})
    assert (short(row.audio_url), row.title, row.declared_duration_ms) == ("v.mp4", "A video", 90_000)
    assert row.text_inline == b"Hi"


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("expiration_date", "2020-01-01", "expired"),
        ("expiration_date", "2020-01-01T00:00:00+01:00", "expired"),
        ("expiration_date", "2999-01-01", "ok"),
        ("expiration_date", "some day", "ok"),
        ("requires_subscription", "yes", "requires_subscription"),
        ("requires_subscription", "no", "ok"),
        ("live", "yes", "live"),
    ],
)
def test_a_video_not_to_be_had_is_a_row_and_its_page_is_left_alone(field: str, value: str, status: str) -> None:
    asked: list[str] = []
    told = video(content_loc="a.mp3", **{field: value})
    rows = found(SitemapSource(root="s.xml"), {"s.xml": urlset(url("p", told)), "p": PAGE}, asked)
    assert [row.status for row in rows] == [status]
    assert ("p" in asked) == (status == "ok")


def test_a_withheld_video_beside_a_free_one_stays_withheld() -> None:
    told = video(content_loc="a.mp3", live="yes") + video(content_loc="b.mp4")
    rows = found(SitemapSource(root="s.xml"), {"s.xml": urlset(url("p", told)), "p": PAGE})
    assert [(row.status, row.audio_url) for row in rows] == [("live", ""), ("no_text", "")]
    assert "b.mp4" in (rows[1].status_detail or "")


def test_news_tells_language_and_title_where_the_page_does_not() -> None:
    told = (
        "<news:news><news:publication><news:language>sw</news:language></news:publication>"
        "<news:title>Habari</news:title></news:news>"
    )
    body = '<audio src="a.mp3"><track src="a.vtt"></audio>'
    [row] = found(SitemapSource(root="s.xml"), {"s.xml": urlset(url("p", told)), "p": body})
    assert (row.declared_lang, row.title) == ("sw", "Habari")


def test_a_page_or_sitemap_that_cannot_be_read_costs_only_itself() -> None:
    documents = {"i.xml": index("gone.xml", "s.xml"), "s.xml": urlset(url("gone"), url("p")), "p": PAGE}
    rows = found(SitemapSource(root="i.xml"), documents)
    assert [(row.status, short(row.page_url)) for row in rows] == [
        ("http_404", "gone.xml"),
        ("http_404", "gone"),
        ("ok", "p"),
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<html></html>", "not_a_sitemap"),
        (b"<rss/>", "not_a_sitemap"),
        (b"\x1f\x8bbroken", "not_a_sitemap"),
        (gzip.compress(bytes(51 << 20)), "too_large"),
        (b'<!DOCTYPE urlset [<!ENTITY x "y">]><urlset/>', "not_a_sitemap"),
    ],
    ids=["html", "feed", "no gzip", "bomb", "doctype"],
)
def test_what_is_no_sitemap_is_a_row_that_says_why(body: bytes, status: str) -> None:
    assert [row.status for row in found(SitemapSource(root="s.xml"), {"s.xml": body})] == [status]


def test_a_bomb_of_plain_lines_is_too_large_too() -> None:
    rows = found(SitemapSource(root="s.txt.gz"), {"s.txt.gz": gzip.compress(b"\n" * (51 << 20))})
    assert [row.status for row in rows] == ["too_large"]


def test_robots_txt_names_the_sitemaps() -> None:
    source = SitemapSource(root="http://h.test/robots.txt")
    robots = "User-agent: *\nDisallow:\nSitemap: http://h.test/a.xml\nSitemap: /b.xml\n"
    seeds = source.seeds(reading({"http://h.test/robots.txt": robots}))
    assert [seed.url for seed in seeds] == ["http://h.test/a.xml", "http://h.test/b.xml"]
    with pytest.raises(UserError, match=r"names no sitemap \(reading it gave: http_404\); expected lines 'Sitemap"):
        source.seeds(reading({}))


def test_pairs_keep_the_pages_refusals() -> None:
    page = Page(url=HOME + "p", body=PAGE.encode(), opt_outs=("tdm-reservation: 1",))
    rows = found(SitemapSource(root="s.xml"), {"s.xml": urlset(url("p")), "p": page})
    assert pairs_of(rows) == [("a.mp3", "a.vtt")]
    assert rows[0].opt_out_evidence == "tdm-reservation: 1"
