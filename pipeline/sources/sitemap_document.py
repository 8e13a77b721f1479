"""Read one sitemap, XML or lines of text, gzipped or not: the pages and sitemaps it lists, and their videos."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.hosts import is_web
from pipeline.languages import code_of
from pipeline.page import Page
from pipeline.sources.address import absolute, is_video
from pipeline.sources.feed_document import clock_ms
from pipeline.sources.offers import Offer
from pipeline.sources.pairing import Audio
from pipeline.sources.xml import Node, NotXml, TooLarge, joined, stream
from pipeline.suffixes import suffix_of

MAX_BYTES = 50 << 20  # sitemaps.org: the limit of an uncompressed sitemap
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A video that is not for everybody, or not any more: why, and its file where the sitemap names one."""

    status: str
    detail: str
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An address on a sitemap, and what the sitemap says is there."""

    url: str
    is_sitemap: bool
    lang: str | None = None
    title: str | None = None
    videos: tuple[Offer, ...] = ()
    withheld: tuple[Withheld, ...] = ()


def read_sitemap(page: Page, now: datetime) -> Iterator[Listed]:
    """Yield a sitemap's entries in their order; NotXml when it is no sitemap, or more than it may be."""
    body = _unpacked(page.body)
    if not body.lstrip(b"\xef\xbb\xbf\r\n\t ").startswith(b"<") and suffix_of(page.url.removesuffix(".gz")) == "txt":
        lines = body.decode("utf-8-sig", "replace").split()
        yield from (Listed(url=line, is_sitemap=False) for line in lines if is_web(line))
        return
    nodes = stream(body, frozenset(), MAX_BYTES)
    root = next(nodes)
    if root.name[1] not in ("urlset", "sitemapindex"):
        raise NotXml(f"its root is <{root.tag}>")
    for node in nodes:
        url = absolute(page.url, joined(node.base, _text(node, "loc")))
        if url and node.name[1] in ("url", "sitemap"):
            yield _listed(node, url, page.url, now)


def _listed(node: Node, url: str, page_url: str, now: datetime) -> Listed:
    videos: list[Offer] = []
    withheld: list[Withheld] = []
    for video in node.all(("video", "video")):
        file = absolute(page_url, _text(video, "content_loc")) if _text(video, "content_loc") else None
        refusal = _refusal(video, now)
        if refusal:
            withheld.append(Withheld(status=refusal[0], detail=refusal[1], url=file))
        elif file:
            videos.append(_offer(video, file))
    news = node.all(("news", "news"))
    tags = [
        publication.first(("news", "language")) for item in news for publication in item.all(("news", "publication"))
    ]
    return Listed(
        url=url,
        is_sitemap=node.name[1] == "sitemap",
        lang=next((code for tag in tags if (code := code_of(tag))), None),
        title=next((title for item in news if (title := item.first(("news", "title")))), None),
        videos=tuple(videos),
        withheld=tuple(withheld),
    )


def _offer(video: Node, file: str) -> Offer:
    audio = Audio(url=file, is_video=is_video("", file) is not False, duration_ms=clock_ms(_text(video, "duration")))
    return Offer(audios=(audio,), title=_text(video, "title") or None)


def _refusal(video: Node, now: datetime) -> tuple[str, str] | None:
    """Say why a video is not to be had: sold, not yet over, or over."""
    for name in ("requires_subscription", "live"):
        if _text(video, name).lower() == "yes":
            return name, f"<video:{name}>{_text(video, name)}</video:{name}>"
    stated = _text(video, "expiration_date")
    expires = _time(stated)
    if expires and expires < now:
        return "expired", f"<video:expiration_date>{stated}</video:expiration_date>"
    return None


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _text(node: Node, name: str) -> str:
    return next((child.text for child in node.children if child.name[1] == name and child.text), "")


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(_GZIP):
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise NotXml(f"it is no gzip: {error}") from error
    if len(unpacked) > MAX_BYTES:
        raise TooLarge(f"it unpacks to more than {MAX_BYTES} bytes")
    return unpacked
