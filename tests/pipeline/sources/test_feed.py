"""A feed's items become pairs: every vocabulary is read, every refusal kept, and no feed goes on for ever."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.page import Page
from pipeline.sources.feed import FeedSource
from pipeline.sources.feed_document import clock_ms
from pipeline.sources.found import Found
from tests.faults.bad_input import BadInput
from tests.faults.feeds import FEEDS
from tests.pipeline.sources.finding import HOME, found, pairs_of, reading, short

SPACES = (
    'xmlns:podcast="https://podcastindex.org/namespace/1.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" '
    'xmlns:media="http://search.yahoo.com/mrss" xmlns:atom="http://www.w3.org/2005/Atom" '
    'xmlns:creativeCommons="http://backend.userland.com/creativeCommonsRssModule" '
    'xmlns:cc="http://web.resource.org/cc/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:rsl="https://rslstandard.org/rsl"'
)
AUDIO = '<enclosure url="a.mp3" type="audio/mpeg"/>'
TEXT = '<podcast:transcript url="a.vtt" type="text/vtt"/>'
ITEM = f"<item><title>One</title><guid>g1</guid>{AUDIO}{TEXT}</item>"


def rss(*items: str, channel: str = "<language>en-us</language>") -> str:
    return f'<rss version="2.0" {SPACES}><channel>{"".join(items)}{channel}</channel></rss>'


def listed(*items: str, channel: str = "<language>en-us</language>", **options: object) -> list[Found]:
    source = FeedSource(root="f.xml", **options)  # pyright: ignore[reportArgumentType]
    return found(source, {"f.xml": rss(*items, channel=channel)})


def only(*items: str, channel: str = "<language>en-us</language>", **options: object) -> Found:
    [row] = listed(*items, channel=channel, **options)
    return row


@pytest.mark.parametrize("bad", FEEDS, ids=lambda bad: bad.name)
def test_a_bad_feed_gives_the_rows_it_should(bad: BadInput) -> None:
    rows = found(FeedSource(root="f.xml"), {"f.xml": bad.make()})
    statuses = [row.status for row in rows]
    assert {status: statuses.count(status) for status in statuses} == bad.rows
    assert bad.pairs is None or sorted(pairs_of(rows)) == sorted(bad.pairs)
    assert not any("/etc/" in (row.audio_url + (row.text_url or "")) for row in rows)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("<html><body>x</body></html>", "it is an HTML page"),
        ("<!DOCTYPE html><html></html>", "it is an HTML page"),
        ('<!DOCTYPE rss SYSTEM "x.dtd"><rss/>', "DOCTYPE"),
        ("<opml/>", "its root is <opml>"),
        ("\x00\x01garbage", "it is no XML"),
        ("", "it is no XML"),
    ],
)
def test_what_is_no_feed_is_a_row_that_says_why(body: str, detail: str) -> None:
    [row] = found(FeedSource(root="f.xml"), {"f.xml": body})
    assert row.status == "not_a_feed"
    assert detail in (row.status_detail or "")


def test_an_item_says_what_it_is() -> None:
    row = only(ITEM.replace("</item>", "<itunes:duration>1:02:03</itunes:duration></item>"))
    assert pairs_of([row]) == [("a.mp3", "a.vtt")]
    assert (row.title, row.guid, row.declared_lang, row.declared_duration_ms) == ("One", "g1", "en", 3_723_000)
    assert (row.text_format, row.declared_text_lang, row.page_url) == ("vtt", None, HOME + "f.xml")


def test_the_best_transcript_is_taken_in_each_language() -> None:
    formats = [("a.txt", "text/plain"), ("a.srt", "application/srt"), ("a.json", "application/json"), ("b", "text/vtt")]
    texts = [f'<podcast:transcript url="{url}" type="{kind}"/>' for url, kind in formats]
    texts += ['<podcast:transcript url="es.html" type="text/html" language="es-MX"/>']
    texts += ['<podcast:transcript url="es.srt" type="text/srt" language="es" rel="captions"/>']
    rows = listed(f"<item>{AUDIO}{''.join(reversed(texts))}</item>")
    assert [(short(row.text_url), row.text_format, row.declared_text_lang) for row in rows] == [
        ("a.json", "json", None),
        ("es.srt", "srt", "es"),
    ]
    assert {row.declared_lang for row in rows} == {"en"}


def test_captions_are_taken_before_an_equal_transcript() -> None:
    texts = '<podcast:transcript url="1.vtt" type="text/vtt"/><podcast:transcript url="2.vtt" rel="captions"/>'
    assert pairs_of([only(f"<item>{AUDIO}{texts}</item>")]) == [("a.mp3", "2.vtt")]


@pytest.mark.parametrize(
    "space",
    [
        "https://podcastindex.org/namespace/1.0/",
        "HTTPS://PodcastIndex.org/namespace/1.0",
        "https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/1.0.md",
        "http://nobody.knows/this",
    ],
)
def test_the_podcast_namespace_is_known_by_all_its_spellings(space: str) -> None:
    body = rss(ITEM).replace("https://podcastindex.org/namespace/1.0", space)
    assert pairs_of(found(FeedSource(root="f.xml"), {"f.xml": body})) == [("a.mp3", "a.vtt")]


def test_a_foreign_namespace_is_not_taken_for_ours() -> None:
    strange = '<x:enclosure xmlns:x="http://x.test/" url="x.mp3"/><x:transcript xmlns:x="http://x.test/" url="x.vtt"/>'
    assert listed(f"<item>{strange}</item>") == []


def test_atom_and_rss_1_are_feeds() -> None:
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de" xmlns:podcast="https://podcastindex.org/namespace/1.0">'
        f'<entry><id>u</id><title>T</title><link rel="enclosure" type="audio/mpeg" href="a.mp3"/>{TEXT}</entry></feed>'
    )
    rdf = (
        '<rdf:RDF xmlns="http://purl.org/rss/1.0/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns:enc="http://purl.oclc.org/net/rss_2.0/enc#" xmlns:podcast="https://podcastindex.org/namespace/1.0">'
        f'<item rdf:about="u"><title>T</title><enc:enclosure rdf:resource="a.mp3"/>{TEXT}</item></rdf:RDF>'
    )
    for body, lang in ((atom, "de"), (rdf, None)):
        [row] = found(FeedSource(root="f.xml"), {"f.xml": body})
        assert (pairs_of([row]), row.guid, row.title, row.declared_lang) == ([("a.mp3", "a.vtt")], "u", "T", lang)


def test_media_rss_gives_audio_subtitles_and_timed_text() -> None:
    group = (
        '<media:group><media:content url="v.mp4" type="video/mp4" duration="61"/>'
        '<media:content url="a.ogg" medium="audio" duration="60"/></media:group>'
        '<media:subTitle type="text/vtt" lang="fr" href="fr.vtt"/>'
        '<media:text type="plain" lang="en" start="0:01.500" end="00:00:02">Hello</media:text>'
        '<media:text type="plain" lang="en" start="2" end="3">there</media:text>'
    )
    english, french = listed(f"<item>{group}</item>")
    assert (short(english.audio_url), english.declared_duration_ms) == ("a.ogg", 60_000)
    assert english.text_inline == (
        b"WEBVTT\n\n00:00:01.500 --> 00:00:02.000\nHello\n\n00:00:02.000 --> 00:00:03.000\nthere\n"
    )
    assert (short(french.text_url), french.declared_text_lang) == ("fr.vtt", "fr")


def test_an_alternate_enclosure_brings_its_checksum_and_stands_in_for_a_missing_one() -> None:
    alternate = (
        '<podcast:alternateEnclosure type="audio/opus"><podcast:source uri="ipfs://x"/>'
        '<podcast:source uri="a.opus"/><podcast:integrity type="sri" value="sha384-QUJD"/></podcast:alternateEnclosure>'
    )
    row = only(f"<item>{alternate}{TEXT}</item>")
    assert (short(row.audio_url), row.integrity) == ("a.opus", "sha384-QUJD")
    same = only(f"<item>{AUDIO}{alternate.replace('a.opus', 'a.mp3')}{TEXT}</item>")
    assert (short(same.audio_url), same.integrity) == ("a.mp3", "sha384-QUJD")
    other = only(f"<item>{AUDIO}{alternate}{TEXT}</item>")
    assert (short(other.audio_url), other.integrity) == ("a.mp3", None)
    assert only(f"<item>{alternate.replace('QUJD', '!')}{TEXT}</item>").integrity is None


def test_the_default_of_the_alternates_goes_first() -> None:
    alternate = (
        '<podcast:alternateEnclosure type="audio/opus"{}><podcast:source uri="{}"/></podcast:alternateEnclosure>'
    )
    alternates = alternate.format("", "a.opus") + alternate.format(' default="true"', "b.opus")
    assert pairs_of(listed(f"<item>{alternates}{TEXT}</item>")) == [("b.opus", "a.vtt")]


def test_a_dub_in_another_language_is_not_the_same_audio() -> None:
    dub = '<media:content url="es.mp3" type="audio/mpeg" lang="es"/><media:content url="v.mp4" type="video/mp4"/>'
    assert pairs_of(listed(f"<item>{dub}{TEXT}</item>")) == [("v.mp4", "a.vtt")]


def test_audio_nobody_can_follow_is_a_row() -> None:
    row = only('<item><enclosure url="ipfs://x/a.mp3" type="audio/mpeg"/></item>')
    assert (row.status, row.audio_url) == ("bad_url", "")
    assert "ipfs://x/a.mp3" in (row.status_detail or "")


def test_audio_without_a_transcript_is_a_row_unless_it_is_wanted() -> None:
    bare = f"<item>{AUDIO}</item>"
    row = only(bare)
    assert (row.status, row.audio_url, row.page_url) == ("no_text", "", f"{HOME}f.xml#{HOME}a.mp3")
    assert pairs_of(listed(bare, captioned_only=False)) == [("a.mp3", None)]


@pytest.mark.parametrize("url", ["a.mp3", "f.xml", "notes.pdf"])
def test_a_transcript_that_cannot_be_one_is_none(url: str) -> None:
    row = only(f'<item>{AUDIO}<podcast:transcript url="{url}" type="text/plain"/></item>')
    assert row.status == "no_text"


def test_ai_content_marks_the_text_as_machine_made_and_keeps_the_statement() -> None:
    statement = '<podcast:txt purpose="ai-content">true</podcast:txt>'
    for row in (only(ITEM, channel=statement), only(ITEM.replace("</item>", f"{statement}</item>"))):
        assert (row.text_kind, row.text_kind_evidence) == ("auto", f"{HOME}f.xml: {statement}")
        assert row.opt_out_evidence is None
    assert only(ITEM, channel=statement.replace("true", "false")).text_kind is None


@pytest.mark.parametrize(
    ("statement", "name", "url"),
    [
        ('<podcast:license url="http://l.test/">cc-by-4.0</podcast:license>', "cc-by-4.0", "http://l.test/"),
        ("<creativeCommons:license>http://l.test/</creativeCommons:license>", None, "http://l.test/"),
        ('<cc:license rdf:resource="http://l.test/"></cc:license>', None, "http://l.test/"),
        ('<media:license type="text/html" href="http://l.test/">CC BY</media:license>', "CC BY", "http://l.test/"),
        ("<copyright>All rights reserved</copyright>", None, None),
    ],
)
def test_a_licence_is_quoted_as_it_stands(statement: str, name: str | None, url: str | None) -> None:
    row = only(ITEM, channel=statement, license="settings")
    assert (row.license, row.license_url, row.license_evidence) == (name, url, f"{HOME}f.xml: {statement}")


def test_an_items_licence_goes_before_the_feeds_and_the_settings() -> None:
    item = ITEM.replace("</item>", "<podcast:license>cc0-1.0</podcast:license></item>")
    channel = "<podcast:license>arr</podcast:license>"
    assert [row.license for row in listed(item, ITEM, channel=channel)] == ["cc0-1.0", "arr"]
    assert only(ITEM, license="CC0-1.0").license_evidence == "source.license=CC0-1.0"


@pytest.mark.parametrize(
    ("statements", "refuses"),
    [
        ("<podcast:block>yes</podcast:block>", True),
        ("<podcast:block>no</podcast:block>", False),
        ('<podcast:block id="sotto">yes</podcast:block><podcast:block>no</podcast:block>', True),
        ('<podcast:block id="sotto">no</podcast:block><podcast:block>yes</podcast:block>', False),
        ('<podcast:block id="google">yes</podcast:block>', False),
        ("<itunes:block>Yes</itunes:block>", True),
        ('<itunes:block>yes</itunes:block><podcast:block id="sotto">no</podcast:block>', True),
        ("<podcast:locked>yes</podcast:locked>", False),
        ('<rsl:license><rsl:prohibits type="usage">search ai-train</rsl:prohibits></rsl:license>', True),
        ('<rsl:license><rsl:payment type="training"></rsl:payment></rsl:license>', True),
        ('<rsl:license><rsl:payment type="free"></rsl:payment></rsl:license>', False),
    ],
)
def test_a_block_is_evaluated_in_the_order_of_its_specification(statements: str, refuses: bool) -> None:
    assert bool(only(ITEM, channel=statements).opt_out_evidence) == refuses


def test_a_refusal_is_kept_verbatim_on_every_row_also_those_without_text() -> None:
    block = "<podcast:block>yes</podcast:block>"
    page = Page(url=HOME + "f.xml", body=rss(ITEM, f"<item>{AUDIO}</item>", channel=block).encode(), opt_outs=("noai",))
    rows = found(FeedSource(root="f.xml"), {"f.xml": page})
    assert [row.opt_out_evidence for row in rows] == [f"noai\n{HOME}f.xml: {block}"] * 2


def test_an_items_own_block_is_its_own() -> None:
    item = ITEM.replace("</item>", "<itunes:block>yes</itunes:block></item>")
    assert [bool(row.opt_out_evidence) for row in listed(item, ITEM.replace("a.", "b."))] == [True, False]


def paged(number: int, following: str) -> str:
    item = f'<item><guid>{number}</guid><enclosure url="{number}.mp3"/>{TEXT}</item>'
    return rss(item, channel=f'<atom:link rel="next" href="{following}"/>')


def test_a_paged_feed_is_followed_and_its_first_page_speaks_for_all() -> None:
    first = paged(1, "f.xml?2").replace(
        "</channel>", "<language>sw</language><itunes:block>yes</itunes:block></channel>"
    )
    last = rss(ITEM, channel="")
    rows = found(FeedSource(root="f.xml"), {"f.xml": first, "f.xml?2": last})
    assert pairs_of(rows) == [("1.mp3", "a.vtt"), ("a.mp3", "a.vtt")]
    assert all(row.declared_lang == "sw" and row.opt_out_evidence for row in rows)


def test_a_loop_ends_and_asks_for_nothing_twice() -> None:
    asked: list[str] = []
    found(FeedSource(root="f.xml"), {"f.xml": paged(1, "g.xml"), "g.xml": paged(2, "f.xml")}, asked)
    assert asked == ["f.xml", "g.xml"]


def test_pages_that_bring_nothing_new_end() -> None:
    asked: list[str] = []
    pages = {f"f.xml?{n}": paged(1, f"f.xml?{n + 1}") for n in range(9)}
    found(FeedSource(root="f.xml?0"), pages, asked)
    assert asked == ["f.xml?0", "f.xml?1"]


def test_endless_pages_stop_at_the_limit_with_a_row() -> None:
    asked: list[str] = []
    pages = {f"f.xml?{n}": paged(n, f"f.xml?{n + 1}") for n in range(9)}
    rows = found(FeedSource(root="f.xml?0", max_pages=3), pages, asked)
    assert [row.status for row in rows] == ["ok", "ok", "ok", "over_limit"]
    assert len(asked) == 3


def test_items_beyond_the_limit_are_one_row_that_counts_them() -> None:
    rows = listed(*(f'<item><enclosure url="{n}.mp3"/>{TEXT}</item>' for n in range(5)), max_items=3)
    assert [row.status for row in rows] == ["ok", "ok", "ok", "over_limit"]
    assert rows[-1].status_detail == "2 items beyond max_items=3"


def test_a_page_that_cannot_be_read_costs_only_itself() -> None:
    rows = found(FeedSource(root="f.xml"), {"f.xml": paged(1, "gone.xml")})
    assert [(row.status, short(row.page_url)) for row in rows] == [("ok", "f.xml"), ("http_404", "gone.xml")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("61", 61_000), ("1:01", 61_000), ("01:00:01.5", 3_601_500), ("0", None), ("an hour", None), ("", None)],
)
def test_lengths_are_read_in_all_their_forms(text: str, expected: int | None) -> None:
    assert clock_ms(text) == expected


def test_a_list_of_feeds_names_the_places(tmp_path: Path) -> None:
    outlines = '<outline text="x"><outline type="rss" xmlUrl="http://b.test/f"/></outline><outline xmlUrl="f.xml"/>'
    (tmp_path / "all.opml").write_text(f"<opml><body>{outlines}</body></opml>")
    (tmp_path / "all.txt").write_text("# mine\nhttp://b.test/f\n\nf.xml\nfile:///etc/passwd\n../../etc/passwd\n")
    (tmp_path / "f.xml").write_text(rss(ITEM))
    for name in ("all.opml", "all.txt"):
        source = FeedSource(root=str(tmp_path / name))
        seeds = source.seeds(lambda url: Page(url=url, body=Path(url).read_bytes()))
        assert [seed.url for seed in seeds] == ["http://b.test/f", str(tmp_path / "f.xml")]
    [web] = FeedSource(root=HOME + "all.opml").seeds(
        reading({"all.opml": '<opml><body><outline xmlUrl="f"/></body></opml>'})
    )
    assert web.url == HOME + "f"


def test_a_local_feed_names_files_beside_it_only_and_changes_with_them(tmp_path: Path) -> None:
    item = (
        f'<item>{AUDIO}{TEXT}</item><item><enclosure url="/etc/a.mp3"/></item><item><enclosure url="../a.mp3"/></item>'
    )
    (tmp_path / "f.xml").write_text(rss(item, channel='<atom:link rel="next" href="http://h.test/2"/>'))
    (tmp_path / "a.mp3").write_bytes(b"x")

    def read(url: str) -> Page:
        assert not url.startswith("http"), "a list of places is made without asking the web"
        return Page(url=url, body=Path(url).read_bytes())

    source = FeedSource(root=str(tmp_path / "f.xml"))
    [before] = source.seeds(read)
    rows = list(islice(source.find(before.url, read), 3))
    assert [row.status for row in rows] == ["ok", "bad_url", "bad_url"]
    assert (rows[0].audio_url, rows[0].text_url) == (str(tmp_path / "a.mp3"), str(tmp_path / "a.vtt"))
    (tmp_path / "a.mp3").write_bytes(b"xy")
    assert source.seeds(read) != [before]


def test_a_root_that_is_not_there_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a file; expected an address, a document or a list"):
        FeedSource(root=str(tmp_path / "gone.xml")).seeds(reading({}))
    with pytest.raises(UserError, match=r"cannot be read \(http_404: not found\); expected a list of addresses"):
        FeedSource(root=HOME + "gone.opml").seeds(reading({}))
    with pytest.raises(UserError, match="is no OPML: it is an HTML page; expected <outline xmlUrl"):
        FeedSource(root=HOME + "l.opml").seeds(reading({"l.opml": "<html/>"}))
