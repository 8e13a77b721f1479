"""Bad feeds: bombs, wrong encodings and names, endless lists, with the rows each must give."""

from __future__ import annotations

from tests.faults.bad_input import BadInput

PODCAST = 'xmlns:podcast="https://podcastindex.org/namespace/1.0"'
AUDIO = '<enclosure url="a.mp3" type="audio/mpeg" length="0"/>'
TEXT = '<podcast:transcript url="a.vtt" type="text/vtt"/>'
PAIR = (("a.mp3", "a.vtt"),)
MANY = 100_000


def rss(items: str = f"<item><guid>1</guid>{AUDIO}{TEXT}</item>", *, head: str = "", spaces: str = PODCAST) -> str:
    """Write a feed; `head` stands before it."""
    return f'{head}<rss version="2.0" {spaces}><channel><language>en</language>{items}</channel></rss>'


def _laughs() -> str:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE rss [<!ENTITY l0 "ha">{levels}]>'


def _blowup() -> str:
    return f'<!DOCTYPE rss [<!ENTITY a "{"a" * 50_000}">]>'


def _many() -> bytes:
    return rss("".join(f'<item><enclosure url="{n}.mp3"/>{TEXT}</item>' for n in range(MANY))).encode()


def _feed(
    name: str, document: str | bytes, rows: dict[str, int], pairs: tuple[tuple[str, str | None], ...] | None = ()
):
    body = document if isinstance(document, bytes) else document.encode()
    return BadInput(name=name, content_type="application/rss+xml", make=lambda: body, rows=rows, pairs=pairs)


REFUSED = {"not_a_feed": 1}
FEEDS = (
    _feed("billion_laughs", rss("<item><title>&l9;</title></item>", head=_laughs()), REFUSED),
    _feed("quadratic_blowup", rss(f"<item><title>{'&a;' * 10_000}</title></item>", head=_blowup()), REFUSED),
    _feed(
        "external_entity",
        rss(
            f"<item><title>&x;</title>{AUDIO}{TEXT}</item>",
            head='<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        ),
        REFUSED,
    ),
    _feed("external_dtd", rss(head='<!DOCTYPE rss SYSTEM "http://169.254.169.254/x.dtd">'), REFUSED),
    _feed("nested_100k", rss("<item>" + "<a>" * MANY), REFUSED),
    _feed("utf16", rss(head='<?xml version="1.0" encoding="utf-8"?>').encode("utf-16"), {"ok": 1}, PAIR),
    _feed("declared_wrong", rss(head='<?xml version="1.0" encoding="utf-16"?>'), {"ok": 1}, PAIR),
    _feed("misspelt_namespace", rss(spaces='xmlns:podcast="http://podcast-index.org/Namespace/v1"'), {"ok": 1}, PAIR),
    BadInput(
        name="items_100k",
        content_type="application/rss+xml",
        make=_many,
        rows={"ok": 10_000, "over_limit": 1},
        pairs=None,
    ),
    _feed("no_guid", rss(f"<item>{AUDIO}{TEXT}</item>"), {"ok": 1}, PAIR),
    _feed(
        "repeated_guid",
        rss(
            f"<item><guid>1</guid>{AUDIO}{TEXT}</item>"
            + f"<item><guid>1</guid>{AUDIO}{TEXT}</item>".replace("a.", "b.")
        ),
        {"ok": 2},
        (*PAIR, ("b.mp3", "b.vtt")),
    ),
    _feed(
        "self_transcript",
        rss(f'<item>{AUDIO}<podcast:transcript url="a.mp3" type="text/plain"/></item>'),
        {"no_text": 1},
    ),
    _feed(
        "xml_base",
        rss(f'<item xml:base="file:///etc/">{AUDIO}{TEXT}</item><item xml:base="sub/">{AUDIO}{TEXT}</item>'),
        {"bad_url": 1, "ok": 1},
        (("sub/a.mp3", "sub/a.vtt"),),
    ),
    BadInput(
        name="line_of_50_mb",
        content_type="application/rss+xml",
        make=lambda: rss(f"<item><title>{'x' * (50 << 20)}</title>{AUDIO}{TEXT}</item>").encode(),
        rows={"too_large": 1},
    ),
)
