"""A page's players, schema.org objects and Open Graph become pairs; one recording told of twice is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.page import Page
from pipeline.sources.found import Found
from pipeline.sources.page import MAX_OFFERS, PageSource
from pipeline.sources.schema_org import MAX_NODES, iso_duration_ms
from tests.faults.bad_input import BadInput
from tests.faults.pages import PAGES, html
from tests.pipeline.sources.finding import HOME, found, pairs_of, short

PLAIN = {"@type": "AudioObject", "contentUrl": "a.mp3", "transcript": "Hello there"}


def listed(body: str, head: str = "", **options: object) -> list[Found]:
    return found(PageSource(root="p", **options), {"p": html(body, head)})  # pyright: ignore[reportArgumentType]


def only(body: str, head: str = "", **options: object) -> Found:
    [row] = listed(body, head, **options)
    return row


def json_ld(*items: object) -> str:
    return "".join(f'<script type="application/ld+json">{json.dumps(item)}</script>' for item in items)


@pytest.mark.parametrize("bad", PAGES, ids=lambda bad: bad.name)
def test_a_bad_page_gives_the_rows_it_should(bad: BadInput) -> None:
    rows = found(PageSource(root="p"), {"p": bad.make()})
    statuses = [row.status for row in rows]
    assert {status: statuses.count(status) for status in statuses} == bad.rows
    assert bad.pairs is not None and sorted(pairs_of(rows), key=str) == sorted(bad.pairs, key=str)
    assert all(bool(row.opt_out_evidence) == bad.is_opted_out for row in rows)


def test_a_player_gives_its_first_audible_source_and_a_track_for_each_language() -> None:
    tracks = (
        '<track src="c.vtt" kind="chapters"><track src="es.vtt" srclang="es-MX"><track src="x.vtt" srclang="en">'
        '<track src="en.vtt" kind="captions" srclang="en" default><track srclang="fr">'
        '<track src="data:text/vtt,WEBVTT" srclang="it">'
    )
    sources = '<source src="a.m3u8"><source src="v.mp4" type="video/mp4"><source data-src="a.ogg" type="audio/ogg">'
    rows = listed(f'<video lang="de">{sources}{tracks}</video>')
    assert pairs_of(rows) == [("a.ogg", "en.vtt"), ("a.ogg", "es.vtt")]
    assert [(row.declared_lang, row.declared_text_lang) for row in rows] == [("en", "en"), ("en", "es")]
    assert {row.title for row in rows} == {"A talk"}


def test_subtitles_do_not_tell_the_language_spoken() -> None:
    row = only('<div lang="sw"><audio src="a.mp3"><track src="en.vtt" srclang="en"></audio></div>')
    assert (row.declared_lang, row.declared_text_lang) == ("sw", "en")


def test_a_player_that_a_script_fills_gives_its_tracks_to_nobody_else() -> None:
    row = only('<video data-youtube="x"><track src="y.vtt" srclang="en"></video><audio src="a.mp3"></audio>')
    assert row.status == "no_text"


def test_a_player_inside_another_keeps_its_own_sources_and_tracks() -> None:
    inner = '<audio><source src="a.mp3"><track src="a.vtt" srclang="en"></audio>'
    rows = listed(f'<video src="v.mp4">{inner}</video>')
    assert [(row.status, short(row.text_url)) for row in rows] == [("no_text", None), ("ok", "a.vtt")]


def test_a_playlist_is_no_audio() -> None:
    player = '<audio><source src="a.m3u8"><source src="b.mp3"><track src="b.vtt"></audio>'
    assert pairs_of(listed(player)) == [("b.mp3", "b.vtt")]


def test_addresses_off_the_web_are_not_followed() -> None:
    assert listed('<audio src="file:///etc/passwd"></audio><audio src="javascript:x"></audio><audio src></audio>') == []


def test_an_uncaptioned_recording_is_a_row_unless_it_is_wanted() -> None:
    body = '<audio src="a.mp3"></audio>'
    assert only(body).status == "no_text"
    assert pairs_of(listed(body, captioned_only=False)) == [("a.mp3", None)]


def test_json_ld_is_found_however_deep_its_author_put_it() -> None:
    episode = {
        "@type": ["PodcastEpisode"],
        "name": "Ep",
        "inLanguage": "pt-BR",
        "duration": "PT1H2M3S",
        "license": "https://l.test/",
        "associatedMedia": {"@type": "AudioObject", "contentUrl": "a.mp3"},
        "transcript": "Ola a todos",
    }
    row = only("", json_ld({"@graph": [{"@type": "WebPage", "mainEntity": [episode]}]}))
    assert (pairs_of([row]), row.text_inline, row.text_format) == ([("a.mp3", None)], b"Ola a todos", "txt")
    assert (row.title, row.declared_lang, row.declared_duration_ms) == ("Ep", "pt", 3_723_000)
    assert (row.license_url, row.license_evidence) == (
        "https://l.test/",
        f'{HOME}p: schema.org license "https://l.test/"',
    )


def test_caption_files_of_json_ld_are_captions_and_a_legend_is_not() -> None:
    files = [
        {"@type": "MediaObject", "contentUrl": "fr", "encodingFormat": "text/vtt", "inLanguage": {"name": "French"}},
        "en.srt",
        "A man talks",
    ]
    rows = listed("", json_ld({"@type": "VideoObject", "contentUrl": "v.mp4", "caption": files}))
    assert pairs_of(rows) == [("v.mp4", "en.srt"), ("v.mp4", "fr")]
    assert [row.declared_text_lang for row in rows] == [None, "fr"]


def test_an_address_that_names_no_caption_file_is_no_caption() -> None:
    told = {"@type": "VideoObject", "contentUrl": "v.mp4", "caption": "https://l.test/legend"}
    assert only("", json_ld(told)).status == "no_text"


def test_json_ld_may_refer_by_id() -> None:
    episode = {"@type": "Episode", "transcript": "Hi", "audio": {"@id": "#a"}}
    row = only("", json_ld(episode, {"@id": "#a", "@type": "MediaObject", "contentUrl": "a.mp3"}))
    assert (short(row.audio_url), row.text_inline) == ("a.mp3", b"Hi")


def test_a_transcript_joins_the_pages_only_recording_but_not_one_of_two() -> None:
    head = json_ld({"@type": "PodcastEpisode", "transcript": "Hi"})
    assert only('<audio src="a.mp3"></audio>', head).text_inline == b"Hi"
    assert {row.status for row in listed('<audio src="a.mp3"></audio><audio src="b.mp3"></audio>', head)} == {"no_text"}
    embedded = json_ld({"@type": "VideoObject", "embedUrl": "http://tube.test/", "transcript": "Hi"})
    assert only('<audio src="a.mp3"></audio>', embedded).status == "no_text"


def test_microdata_and_rdfa_say_the_same_as_json_ld() -> None:
    microdata = (
        '<div itemscope itemtype="https://schema.org/AudioObject"><a itemprop="contentUrl" href="a.mp3">x</a>'
        '<span itemprop="name">A <b>name</b></span><meta itemprop="duration" content="PT3S">'
        '<div itemprop="transcript"><p>Hello <b>there</b></p></div></div>'
    )
    rdfa = microdata.replace("itemscope itemtype", 'vocab="https://schema.org/" typeof').replace("itemprop", "property")
    for body in (microdata, rdfa):
        row = only(body)
        assert (short(row.audio_url), row.title, row.declared_duration_ms) == ("a.mp3", "A name", 3000)
        assert b"<p>Hello <b>there</b></p>" in (row.text_inline or b"")
        assert row.text_format == "html"


def test_one_recording_told_of_in_four_ways_is_one() -> None:
    player = '<audio src="a.mp3"><track src="a.vtt" srclang="en"></audio>'
    head = json_ld(PLAIN, PLAIN) + '<meta property="og:audio" content="a.mp3">'
    assert pairs_of(listed(player + player, head)) == [("a.mp3", "a.vtt")]


@pytest.mark.parametrize(("kind", "num_rows"), [("audio/mpeg", 1), ("application/x-shockwave-flash", 0)])
def test_open_graph_names_audio(kind: str, num_rows: int) -> None:
    head = f'<meta property="og:audio" content="play"><meta property="og:audio:type" content="{kind}">'
    assert len(listed("", head)) == num_rows


def test_the_pages_licence_is_quoted_and_terms_of_rsl_are_not_taken_for_one() -> None:
    link = '<link rel="license" href="https://l.test/by">'
    rsl = '<link rel="license" type="application/rsl+xml" href="/l.xml">'
    row = only('<audio src="a.mp3"></audio>', rsl + link, license="settings")
    assert (row.license, row.license_url, row.license_evidence) == (None, "https://l.test/by", f"{HOME}p: {link[:-1]}>")
    assert only('<audio src="a.mp3"></audio>', license="CC0-1.0").license == "CC0-1.0"


def test_a_refusal_in_the_answer_is_on_every_row() -> None:
    page = Page(url=HOME + "p", body=html('<audio src="a.mp3"></audio>').encode(), opt_outs=("X-Robots-Tag: noai",))
    [row] = found(PageSource(root="p"), {"p": page})
    assert row.opt_out_evidence == "X-Robots-Tag: noai"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<title>café</title><audio src=a></audio>".encode("latin-1"), None),
        ("<title>café</title><audio src=a></audio>".encode(), None),
        ("<title>café</title><audio src=a></audio>".encode("utf-16"), None),
        ("<title>café</title><audio src=a></audio>".encode("cp1252"), "text/html; charset=nonsense"),
        ("<meta charset=utf-16><title>café</title><audio src=a></audio>".encode(), None),
    ],
)
def test_text_is_read_in_the_encoding_it_has(body: bytes, kind: str | None) -> None:
    [row] = found(PageSource(root="p"), {"p": Page(url=HOME + "p", body=body, content_type=kind)})
    assert row.title == "café"


@pytest.mark.parametrize(
    ("page", "status"),
    [
        (Page(url=HOME + "p", body=b"<audio src=a>", content_type="audio/mpeg"), "not_a_page"),
        (Page(url=HOME + "p", body=b""), "not_a_page"),
        (Page(url=HOME + "p", body=b" " * (9 << 20)), "too_large"),
        (Page(url=HOME + "p", status="robots", detail="no"), "robots"),
    ],
)
def test_what_is_no_page_is_a_row_that_says_why(page: Page, status: str) -> None:
    assert [row.status for row in found(PageSource(root="p"), {"p": page})] == [status]


def test_an_endless_graph_is_read_up_to_a_number_of_objects() -> None:
    head = json_ld([{"@type": "Thing"}] * MAX_NODES, PLAIN)
    assert listed("", head) == []
    assert len(listed("", json_ld([{"@type": "Thing"}] * 100, PLAIN))) == 1


def test_recordings_beyond_the_limit_are_a_row() -> None:
    players = "".join(f'<audio src="{n}.mp3"></audio>' for n in range(MAX_OFFERS + 1))
    rows = listed(players, captioned_only=False)
    assert [row.status for row in rows] == ["ok"] * MAX_OFFERS + ["over_limit"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PT1M2.5S", 62_500), ("P1DT1S", 86_401_000), ("pt3s", 3000), ("PT0S", None), ("1:02", None), ("P", None)],
)
def test_durations_are_read(text: str, expected: int | None) -> None:
    assert iso_duration_ms(text) == expected


def test_a_local_page_names_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "p.html").write_text(
        html('<audio src="a.mp3"><track src="a.vtt"></audio><audio src="/etc/x.mp3"></audio>')
    )
    source = PageSource(root=str(tmp_path / "p.html"))
    [seed] = source.seeds(lambda url: Page(url=url, body=Path(url).read_bytes()))
    rows = list(source.find(seed.url, lambda url: Page(url=url, body=Path(url).read_bytes())))
    assert [(row.audio_url, row.text_url, row.validator) for row in rows] == [
        (str(tmp_path / "a.mp3"), str(tmp_path / "a.vtt"), "missing missing")
    ]


def test_plain_links_are_paired_by_file_name() -> None:
    rows = listed(
        '<a href="one.mp3">First <b>talk</b></a> <a href="one.vtt">captions</a> <a href="one.de.srt">Deutsch</a>'
        '<a href="two.ogg"></a><a href="two.srt?dl=1" hreflang="fr">srt</a><a href="notes.pdf">Transcript</a>'
    )
    assert pairs_of(rows) == [("one.mp3", "one.vtt"), ("one.mp3", "one.de.srt"), ("two.ogg", "two.srt?dl=1")]
    assert [row.declared_text_lang for row in rows] == [None, "de", "fr"]
    assert rows[0].title == "First talk"


def test_a_link_that_calls_itself_a_transcript_belongs_to_the_only_recording() -> None:
    page = '<a href="talk.mp3">Listen</a> <a href="/talk/text">Read the transcript</a> <a href="/about">About</a>'
    assert pairs_of(listed(page)) == [("talk.mp3", "http://h.test/talk/text")]
    assert pairs_of(listed(page + '<a href="other.mp3">And this</a>')) == []


def test_a_linked_file_and_its_player_are_one_recording() -> None:
    page = '<audio src="a.mp3"></audio><a href="a.mp3">Download</a><a href="a.vtt">Captions</a>'
    assert pairs_of(listed(page)) == [("a.mp3", "a.vtt")]
