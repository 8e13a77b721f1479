"""Captions beside audio files: talk.vtt, talk.en.srt or talk.txt for talk.mp3, and the language that the names tell."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from pipeline.languages import LANGUAGES, code_of
from pipeline.suffixes import MEDIA, ending

CAPTIONS = ("vtt", "srt", "ttml", "dfxp", "ass", "ssa", "sbv", "lrc", "txt")  # best first
UNTIMED = "txt"
WORDS = "text"  # the format of what is taken for words as it stands; nothing is sniffed


def pairs(paths: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Yield each audio or video file with the best caption beside it, in order of their paths; upper case counts too.

    What has times wins over what has none, then a caption of the audio's name over one with a language behind it.
    """
    ordered = sorted(paths)
    captions: dict[str, list[str]] = defaultdict(list)
    for path in ordered:
        if ending(path) in CAPTIONS:
            stem, _, tag = _stem(path).rpartition(".")
            captions[_stem(path)].append(path)
            if code_of(tag) in LANGUAGES:
                captions[stem].append(path)
    for path in ordered:
        if ending(path) in MEDIA:
            beside = captions.get(_stem(path), [])
            yield path, min(beside, key=lambda caption: _order(path, caption), default=None)


def format_of(caption: str) -> str:
    """Name a caption's format: its ending; that of a .txt, which holds the words without times, is WORDS."""
    return WORDS if ending(caption) == UNTIMED else ending(caption)


def declared_lang(audio: str, caption: str | None) -> str | None:
    """Read a language code off the caption's name (talk.en.vtt), the file's (en-01.mp3) or a folder's (en/talk.mp3)."""
    *folders, name = _stem(audio).split("/")
    tag = _stem(caption)[len(_stem(audio)) + 1 :] if caption else ""
    prefix = re.split(r"[-_.]", name, maxsplit=1)[0]
    names = (prefix if prefix != name else "", *reversed(folders))
    codes = (code_of(tag), *(other.lower() for other in names))
    return next((code for code in codes if code in LANGUAGES), None)


def _order(audio: str, caption: str) -> tuple[bool, bool, int]:
    suffix = ending(caption)
    return suffix == UNTIMED, _stem(caption) != _stem(audio), CAPTIONS.index(suffix)


def _stem(path: str) -> str:
    return path.rpartition(".")[0] if "." in path.rpartition("/")[2] else path
