"""Plain links of a page to audio files and to their transcripts, as archives and talk pages have them.

An address that ends like audio is audio. A caption is one by its ending, or a link that calls itself a transcript; it
belongs to the audio with the same file name, and one without such a neighbour to the page's only recording.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from pipeline.languages import code_of
from pipeline.sources.address import absolute, is_video
from pipeline.sources.html import Element, attribute, elements
from pipeline.sources.offers import Offer
from pipeline.sources.pairing import Audio, Caption, text_format
from pipeline.suffixes import suffix_of

_TIMED = frozenset({"vtt", "srt", "ttml", "dfxp", "sbv", "ass", "ssa", "lrc"})
_SAYS_TRANSCRIPT = re.compile(r"\b(?:transcripts?|captions?|subtitles?)\b", re.IGNORECASE)
_NAME = re.compile(r"(?P<stem>.+?)(?:[._-](?P<tag>[a-z]{2,3}(?:-[A-Za-z]{2,4})?))?\.\w+")


def offers_linked(root: Element, base: str) -> Iterator[Offer]:
    """Yield an offer for each audio file that is linked to, then the transcripts that are nobody's by their names."""
    audios: dict[str, str] = {}
    captions: dict[str, list[Caption]] = defaultdict(list)
    for link in elements(root, "a"):
        address = attribute(link, "href")
        url = absolute(base, address) if address else None
        if url is None:
            continue
        if is_video("", url) is not None:
            audios.setdefault(url, " ".join("".join(link.itertext()).split()))
        elif suffix_of(url) in _TIMED or _SAYS_TRANSCRIPT.search(_words(link)):
            captions[_stem(url)].append(_caption(link, url))
    for url, title in audios.items():
        own = (*captions.pop(_file_name(url).rpartition(".")[0], ()), *captions.pop(_stem(url), ()))
        yield Offer(audios=(Audio(url=url, is_video=bool(is_video("", url))),), captions=own, title=title or None)
    for loose in captions.values():
        yield Offer(captions=tuple(loose))


def _caption(link: Element, url: str) -> Caption:
    name = _NAME.fullmatch(_file_name(url))
    lang = code_of(attribute(link, "hreflang")) or code_of(name["tag"] or "" if name else "")
    format_ = text_format(attribute(link, "type"), url) or "html"
    return Caption(url=url, format=format_, lang=lang, is_captions=suffix_of(url) in _TIMED)


def _stem(url: str) -> str:
    name = _NAME.fullmatch(_file_name(url))
    return name["stem"] if name else _file_name(url)


def _file_name(url: str) -> str:
    return url.partition("#")[0].partition("?")[0].rpartition("/")[2]


def _words(link: Element) -> str:
    return f"{''.join(link.itertext())} {attribute(link, 'title', 'aria-label')} {attribute(link, 'rel')}"[:500]
