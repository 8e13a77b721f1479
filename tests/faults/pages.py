"""Bad pages: broken and endless markup, addresses in odd places, refusals, with the rows each must give."""

from __future__ import annotations

from tests.faults.bad_input import BadInput

PLAYER = '<audio src="a.mp3"><track kind="captions" srclang="en" src="a.vtt"></audio>'
PAIR = (("a.mp3", "a.vtt"),)
LANGUAGES = ("en", "es", "fr", "de", "it", "pt", "ru", "ja", "zh", "ar", "hi", "sw")
DEEP = 10_000


def html(body: str = PLAYER, head: str = "") -> str:
    """Write a page."""
    return f'<!doctype html><html lang="en"><head><title>A talk</title>{head}</head><body>{body}</body></html>'


def _page(name: str, document: str | bytes, pairs: tuple[tuple[str, str | None], ...], **expected: int) -> BadInput:
    body = document if isinstance(document, bytes) else document.encode()
    return BadInput(name=name, content_type="text/html", make=lambda: body, rows=expected, pairs=pairs)


def _json_ld(text: str) -> str:
    return f'<script type="application/ld+json">{text}</script>'


TRACKS = "".join(f'<track srclang="{lang}" src="{lang}.vtt">' for lang in LANGUAGES)
BROKEN = '{"@type": "AudioObject", "contentUrl": "b.mp3", "transcript": "One\ntwo",}'
PAGES = (
    _page(
        "broken_json_ld",
        html(head=_json_ld(BROKEN) + _json_ld("{'@type': broken")),
        (*PAIR, ("b.mp3", None)),
        ok=2,
    ),
    _page("deep_graph", html(head=_json_ld('{"@graph": [' * DEEP + "]}" * DEEP)), PAIR, ok=1),
    _page(
        "twelve_tracks",
        html(f'<video src="a.mp4">{TRACKS}</video>'),
        tuple(("a.mp4", f"{lang}.vtt") for lang in LANGUAGES),
        ok=12,
    ),
    _page(
        "base", html(head='<base href="sub/"><base href="http://elsewhere.test/">'), (("sub/a.mp3", "sub/a.vtt"),), ok=1
    ),
    BadInput(
        name="noai",
        content_type="text/html",
        make=lambda: html(head='<meta name="robots" content="noai">').encode(),
        rows={"ok": 1},
        pairs=PAIR,
        is_opted_out=True,
    ),
    _page("data_src", html(PLAYER.replace(" src=", " data-src=")), PAIR, ok=1),
    # Lexbor takes 140 s for this one (selectolax 1.0.2, 2026-11).
    _page("nested_divs_100k", html(PLAYER + "<div>" * 100_000), PAIR, ok=1),
    _page("not_html", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(64), (), not_a_page=1),
)
