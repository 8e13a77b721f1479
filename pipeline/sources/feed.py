"""Podcast feeds, RSS or Atom: every item's audio with the transcripts published for it.

`root` is a feed (address or file), or a list of them: an OPML file (.opml) or lines of text (.txt). An item makes one
candidate for each language it has a transcript in, the best of that language (see pairing); audio without any is
told by a row 'no_text' unless `captioned_only` is off. A refusal by the feed or item is kept on every row of it.
Paged feeds are followed for `max_pages` documents, and until one brings nothing new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.page import Page, Read
from pipeline.sources.feed_document import Feed, Item, read_feed
from pipeline.sources.found import Found, Seed, Unreadable, read_ok
from pipeline.sources.pairing import best_audio, pairs, unusable
from pipeline.sources.places import places
from pipeline.sources.xml import NotXml, TooLarge


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSource:
    """Feeds at `root`; `language` and `license` fill what a feed does not state."""

    root: str
    name: str = "feed"
    language: str | None = None
    license: str | None = None
    captioned_only: bool = True
    max_items: int = 10_000
    max_pages: int = 100
    candidates_per_unit: int | None = None

    def seeds(self, read: Read) -> list[Seed]:
        """Return the feeds."""
        return places(self, self.root, read)

    def find(self, seed: str, read: Read) -> Iterator[Found]:
        """List a feed's items in its order, over all its pages."""
        url, visited, known, num_left = seed, {seed}, set[str](), self.max_items
        first: Feed | None = None
        while True:
            page = read_ok(read, url)
            feed = _read(page, num_left)
            first = first or feed
            for item in feed.items:
                yield from self._item(item, feed, first, page)
            num_left -= len(feed.items)
            news = {item.key for item in feed.items} - known
            known |= news
            if feed.num_unread or (feed.next_url and not num_left):
                yield _limit(page, f"{feed.num_unread or 'more'} items beyond max_items={self.max_items}")
                return
            if not feed.next_url or feed.next_url in visited or not news:
                return
            if len(visited) == self.max_pages:
                yield _limit(page, f"more than max_pages={self.max_pages} pages")
                return
            url = feed.next_url
            visited.add(url)

    def _item(self, item: Item, feed: Feed, first: Feed, page: Page) -> Iterator[Found]:
        lang = item.lang or feed.lang or first.lang or self.language
        licence = item.licence or feed.licence or first.licence
        refused = dict.fromkeys((*page.opt_outs, *first.refusals, *feed.refusals, *item.refusals))
        machine_made = item.machine_made or feed.machine_made or first.machine_made
        audio = best_audio(item.audios, lang)
        found = Found(
            page_url=page.url,
            audio_url=audio.url if audio else "",
            text_kind="auto" if machine_made else None,
            text_kind_evidence=machine_made,
            declared_lang=lang,
            declared_duration_ms=item.duration_ms or (audio.duration_ms if audio else None),
            title=item.title,
            guid=item.guid,
            license=licence.name if licence else self.license,
            license_url=licence.url if licence else None,
            license_evidence=licence.evidence if licence else self.license and f"source.license={self.license}",
            opt_out_evidence="\n".join(refused) or None,
            integrity=audio.integrity if audio else None,
        )
        if audio:
            yield from pairs(found, item.captions, self.captioned_only)
        elif item.unusable:
            yield unusable(found, "bad_url", f"{item.unusable[0]!r} is neither http(s) nor a file beside the feed")


def _read(page: Page, max_items: int) -> Feed:
    try:
        return read_feed(page, max_items)
    except NotXml as error:
        status = "too_large" if isinstance(error, TooLarge) else "not_a_feed"
        raise Unreadable(replace(page, status=status, detail=str(error), body=b"")) from error


def _limit(page: Page, detail: str) -> Found:
    return Found(page_url=f"{page.url}#more", status="over_limit", status_detail=detail)
