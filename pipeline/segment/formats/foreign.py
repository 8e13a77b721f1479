"""Name what is certainly no caption, before any text at all is taken for a transcript."""

from __future__ import annotations

import re

from pipeline.segment.cue import Unreadable
from pipeline.segment.formats import json_text, xml

_MAX_CONTROL_SHARE = 0.01
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_PLAYLIST = re.compile(r"#EXTM3U|ffconcat version|\[playlist\]", re.IGNORECASE)


def refuse_binary(text: str) -> None:
    """Raise Unreadable for bytes that are no text."""
    if "\0" in text or len(_CONTROL.findall(text)) > _MAX_CONTROL_SHARE * len(text) + 1:
        raise Unreadable("not_captions", f"binary data: {text.strip()[:60]!r}")


def read(text: str) -> None:
    """Raise Unreadable for XML, JSON and playlists that no reader before this one knew."""
    head = text.strip().lstrip("\ufeff")
    root = xml.root_name(text)
    if root and not head.startswith("<v"):
        raise Unreadable("not_captions", f"XML of <{root}>: {head[:60]!r}")
    if json_text.looks_like_json(text):
        raise Unreadable("not_captions", f"JSON that is no transcript: {head[:60]!r}")
    if _PLAYLIST.match(head):
        raise Unreadable("not_captions", f"a playlist: {head[:60]!r}")
