"""Choose among what is published for one recording: one audio file, and the best caption in each language.

Captions of the same language are alternatives, and the best is taken: JSON (timed by segment or word), WebVTT, SRT,
other timed formats, HTML, plain text; of equals the one declared as captions, then the first listed. Captions in
other languages are translations: each makes a candidate of its own with the same audio, which is fetched once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.hosts import is_web
from pipeline.sources.found import Found, file_stamp
from pipeline.suffixes import suffix_of

# Best first. A format is called as files of it are.
RANK = ("json", "vtt", "srt", "ttml", "ass", "sbv", "lrc", "html", "txt")
_BY_TYPE = {
    "application/json": "json",
    "text/vtt": "vtt",
    "text/webvtt": "vtt",
    "application/x-subrip": "srt",
    "application/srt": "srt",
    "application/x-srt": "srt",
    "text/srt": "srt",
    "application/ttml+xml": "ttml",
    "application/ttaf+xml": "ttml",
    "text/html": "html",
    "text/plain": "txt",
}
_BY_SUFFIX = {name: name for name in RANK} | {"htm": "html", "dfxp": "ttml", "ssa": "ass", "webvtt": "vtt"}
_DOCUMENTS = frozenset({"pdf", "doc", "docx", "rtf"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """A caption or transcript as declared: at an address, or standing in the document itself."""

    url: str | None = None
    inline: bytes | None = None
    format: str | None = None
    lang: str | None = None
    is_captions: bool = False  # declared to have times, or to say what is said
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """An audio or video file as declared."""

    url: str
    is_video: bool = False
    lang: str | None = None
    duration_ms: int | None = None
    integrity: str | None = None


def text_format(media_type: str, address: str) -> str | None:
    """Name the declared format of a caption; the type decides, unless it is missing or plain text."""
    by_type = _BY_TYPE.get(media_type.partition(";")[0].strip().lower())
    by_name = _BY_SUFFIX.get(suffix_of(address))
    return by_name or by_type if by_type in (None, "txt") else by_type


def best_audio(audios: Sequence[Audio], lang: str | None) -> Audio | None:
    """Return the first audio in the language, else the first video, with what any other mention of it adds."""
    spoken = [audio for audio in audios if audio.lang in (None, lang) or lang is None]
    chosen = min(spoken, key=lambda audio: audio.is_video, default=None)
    if chosen is None:
        return None
    same = [audio for audio in audios if audio.url == chosen.url]
    return replace(
        chosen,
        integrity=next((audio.integrity for audio in same if audio.integrity), None),
        duration_ms=next((audio.duration_ms for audio in same if audio.duration_ms), None),
    )


def pairs(found: Found, captions: Sequence[Caption], captioned_only: bool) -> Iterator[Found]:
    """Yield the recording with its best caption in each language, the spoken one first.

    A caption that is the audio itself or the document is none. Without any caption the recording is yielded bare, or
    as a row that says so where only captioned ones are wanted.
    """
    itself = (found.audio_url, found.page_url.partition("#")[0])
    usable = [item for item in captions if item.url not in itself and suffix_of(item.url or "") not in _DOCUMENTS]
    best = _best_by_language(usable, found.declared_lang)
    if not best and captioned_only:
        reason = "its transcript is the audio or the page itself" if captions and not usable else "no transcript"
        yield unusable(found, "no_text", reason)
    elif not best:
        yield replace(found, validator=_stamps(found.audio_url))
    for caption in best:
        yield replace(
            found,
            text_url=caption.url,
            text_inline=caption.inline,
            text_format=caption.format,
            text_kind=found.text_kind or caption.kind,
            declared_text_lang=caption.lang,
            validator=_stamps(found.audio_url, caption.url),
        )


def unusable(found: Found, status: str, reason: str) -> Found:
    """Turn a recording that gives no pair into a row that says why, under an address of its own."""
    place = found.page_url if "#" in found.page_url else f"{found.page_url}#{found.audio_url or found.guid or reason}"
    detail = f"{found.audio_url}: {reason}" if found.audio_url else reason
    return replace(found, page_url=place, audio_url="", validator=None, status=status, status_detail=detail)


def _stamps(*addresses: str | None) -> str | None:
    return " ".join(file_stamp(Path(local)) for local in addresses if local and not is_web(local)) or None


def _best_by_language(captions: Sequence[Caption], spoken: str | None) -> list[Caption]:
    best: dict[str | None, Caption] = {}
    for caption in sorted(captions, key=_order):
        best.setdefault(caption.lang or spoken, caption)
    return sorted(best.values(), key=lambda caption: (caption.lang or spoken) != spoken)


def _order(caption: Caption) -> tuple[int, bool]:
    rank = RANK.index(caption.format) if caption.format in RANK else RANK.index("html")
    return rank, not caption.is_captions
