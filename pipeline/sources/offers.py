"""What a page offers: recordings, each told of in several places at once, put together by their addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.sources.found import Found
from pipeline.sources.pairing import Audio, Caption, best_audio, pairs
from pipeline.sources.rights import Licence


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One recording as one place tells of it: its files, which are alternatives, and its captions."""

    audios: tuple[Audio, ...] = ()
    captions: tuple[Caption, ...] = ()
    lang: str | None = None
    title: str | None = None
    licence: Licence | None = None


def merge(offers: Iterable[Offer]) -> list[Offer]:
    """Put together offers that share a file; what names no file joins the only recording, or is nobody's."""
    merged: list[Offer] = []
    loose: list[Offer] = []
    owners: dict[str, int] = {}
    for offer in offers:
        if not offer.audios:
            loose.append(offer)
            continue
        owner = next((owners[audio.url] for audio in offer.audios if audio.url in owners), len(merged))
        if owner == len(merged):
            merged.append(offer)
        else:
            merged[owner] = _joined(merged[owner], offer)
        owners.update((audio.url, owner) for audio in offer.audios)
    if len(merged) == 1:
        for offer in loose:
            merged[0] = _joined(merged[0], offer)
    return merged


def found_for(offer: Offer, page: Found, captioned_only: bool) -> Iterator[Found]:
    """Yield an offer's pairs; the page says what the offer does not."""
    lang = offer.lang or page.declared_lang
    audio = best_audio(offer.audios, lang)
    if audio is None:
        return
    found = replace(
        page,
        audio_url=audio.url,
        declared_lang=lang,
        declared_duration_ms=audio.duration_ms or page.declared_duration_ms,
        title=offer.title or page.title,
    )
    if offer.licence:
        licence = offer.licence
        found = replace(found, license=licence.name, license_url=licence.url, license_evidence=licence.evidence)
    yield from pairs(found, offer.captions, captioned_only)


def _joined(one: Offer, other: Offer) -> Offer:
    return Offer(
        audios=tuple(dict.fromkeys(one.audios + other.audios)),
        captions=_distinct(one.captions + other.captions),
        lang=one.lang or other.lang,
        title=one.title or other.title,
        licence=one.licence or other.licence,
    )


def _distinct(captions: Sequence[Caption]) -> tuple[Caption, ...]:
    return tuple({(caption.url, caption.inline): caption for caption in reversed(captions)}.values())[::-1]
