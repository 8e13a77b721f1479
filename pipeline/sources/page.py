"""Web pages with audio: <audio> and <video> with their <track>s, schema.org objects, Open Graph, plain links.

`root` is a page (address or file) or a list of pages, one a line (.txt). A recording told of in several of these
ways is one; its captions are chosen as pairing says. A <track> of kind captions is in the language spoken, so it
tells that language; subtitles may be translations. A refusal in the page or its headers is kept on every row of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from pipeline.languages import code_of
from pipeline.optouts import in_html
from pipeline.page import Page, Read
from pipeline.sources.address import absolute, is_video
from pipeline.sources.found import Found, Seed, Unreadable, read_ok
from pipeline.sources.html import (
    Element,
    NotHtml,
    attribute,
    base_of,
    elements,
    lang_of,
    parse,
    start_tag,
)
from pipeline.sources.links import offers_linked
from pipeline.sources.offers import Offer, found_for, merge
from pipeline.sources.pairing import Audio, Caption, text_format
from pipeline.sources.places import places
from pipeline.sources.rights import Licence
from pipeline.sources.schema_org import offers_in
from pipeline.suffixes import suffix_of

MAX_OFFERS = 1_000  # of one page; the archive of a long show has hundreds
SPOKEN_KINDS = frozenset({"captions", "subtitles", ""})  # descriptions, chapters and metadata are not what is said
_ADDRESS = ("src", "data-src", "data-lazy-src")  # lazy pages keep it in a data attribute until somebody scrolls
_PLAYLISTS = frozenset({"m3u8", "m3u", "mpd"})
_RSL = "application/rsl+xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSource:
    """Pages at `root`; `language` and `license` fill what a page does not state."""

    root: str
    name: str = "page"
    language: str | None = None
    license: str | None = None
    captioned_only: bool = True
    candidates_per_unit: int | None = None

    def seeds(self, read: Read) -> list[Seed]:
        """Return the pages."""
        return places(self, self.root, read)

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List a page's recordings in its order."""
        page = read_ok(read, seed)
        yield from found_in(page, stated(self.language, self.license), self.captioned_only)


def stated(language: str | None, license_: str | None) -> Found:
    """Build what a source's settings say of every page."""
    evidence = f"source.license={license_}" if license_ else None
    return Found(page_url="", declared_lang=language, license=license_, license_evidence=evidence)


def found_in(page: Page, default: Found, captioned_only: bool, known: Sequence[Offer] = ()) -> Iterator[Found]:
    """Yield a page's pairs; `known` is what others say of it, and `default` what holds where nobody says anything."""
    try:
        root = parse(page)
    except NotHtml as error:
        raise Unreadable(replace(page, status=error.status, detail=str(error), body=b"")) from error
    base = base_of(root, page)
    licence = _licence(root, base, page.url)
    refused = dict.fromkeys((*page.opt_outs, *(f"{page.url}: {line}" for line in in_html(page.body))))
    about = Found(
        page_url=page.url,
        declared_lang=code_of(lang_of(next(elements(root, "body"), root))) or default.declared_lang,
        title=next((" ".join(title.text.split()) for title in elements(root, "title") if title.text), default.title),
        license=licence.name if licence else default.license,
        license_url=licence.url if licence else default.license_url,
        license_evidence=licence.evidence if licence else default.license_evidence,
        opt_out_evidence="\n".join(refused) or None,
    )
    told = chain(
        _players(root, base),
        offers_in(root, base, page.url),
        known,
        _open_graph(root, base),
        offers_linked(root, base),
    )
    offers = list(islice(told, MAX_OFFERS + 1))
    for offer in merge(offers[:MAX_OFFERS]):
        yield from found_for(offer, about, captioned_only)
    if len(offers) > MAX_OFFERS:
        detail = f"more than {MAX_OFFERS} players and objects"
        yield Found(page_url=f"{page.url}#more", status="over_limit", status_detail=detail)


def _players(root: Element, base: str) -> Iterator[Offer]:
    for player in elements(root, "audio", "video"):
        own = [item for item in elements(player, "source", "track") if _player_of(item) is player]
        sources = [player, *(item for item in own if item.tag == "source")]
        tracks = [item for item in own if item.tag == "track"]
        captions = sorted((item for item in tracks if _kind(item) in SPOKEN_KINDS), key=_preference)
        spoken = [code_of(attribute(item, "srclang")) for item in captions if _kind(item) == "captions"]
        audios = tuple(audio for item in sources if (audio := _file(item, player.tag, base)))
        if audios:  # else it plays what a script gives it, and its tracks are nobody else's
            yield Offer(
                audios=audios,
                captions=tuple(caption for item in captions if (caption := _track(item, base))),
                lang=next(filter(None, spoken), None) or code_of(lang_of(player)),
                title=attribute(player, "title", "aria-label") or None,
            )


def _player_of(element: Element) -> Element:
    return next(element.iterancestors("audio", "video"), None)


def _file(element: Element, player: str, base: str) -> Audio | None:
    address = attribute(element, *_ADDRESS)
    url = absolute(base, address) if address else None
    if url is None or suffix_of(url) in _PLAYLISTS:
        return None
    declared = is_video(attribute(element, "type"), url)
    return Audio(url=url, is_video=player == "video" if declared is None else declared)


def _track(element: Element, base: str) -> Caption | None:
    address = attribute(element, *_ADDRESS)
    url = absolute(base, address) if address else None
    if url is None:
        return None
    return Caption(
        url=url,
        format=text_format(attribute(element, "type"), url) or "vtt",
        lang=code_of(attribute(element, "srclang")),
        is_captions=_kind(element) == "captions",
    )


def _kind(track: Element) -> str:
    return attribute(track, "kind").lower()


def _preference(track: Element) -> tuple[bool, bool]:
    return _kind(track) != "captions", track.get("default") is None


def _open_graph(root: Element, base: str) -> Iterator[Offer]:
    metas = [
        (attribute(meta, "property", "name").lower(), attribute(meta, "content")) for meta in elements(root, "meta")
    ]
    kind = next((content for name, content in metas if name == "og:audio:type"), "audio/")
    for name, content in metas:
        if name in ("og:audio", "og:audio:url", "og:audio:secure_url") and content:
            url = absolute(base, content)
            if url and is_video(kind, url) is not None:
                yield Offer(audios=(Audio(url=url, is_video=bool(is_video(kind, url))),))


def _licence(root: Element, base: str, where: str) -> Licence | None:
    for link in elements(root, "link", "a"):
        is_licence = "license" in attribute(link, "rel").lower().split() and attribute(link, "type") != _RSL
        url = absolute(base, attribute(link, "href")) if is_licence else None
        if url:
            return Licence(url=url, evidence=f"{where}: {start_tag(link)}")
    return None
