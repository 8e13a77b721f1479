"""Endings of file names by which a name or an address tells what it is of."""

from __future__ import annotations

from urllib.parse import unquote

AUDIO = frozenset({"mp3", "m4a", "m4b", "aac", "ogg", "oga", "opus", "flac", "wav", "mka", "weba"})
VIDEO = frozenset({"mp4", "m4v", "mov", "webm", "mkv", "ogv", "mpg", "mpeg"})
MEDIA = AUDIO | VIDEO


def suffix_of(address: str) -> str:
    """Return the ending of an address's file name in lower case, without dot, query or fragment; '' without one."""
    return ending(unquote(address.partition("#")[0].partition("?")[0]))


def ending(path: str) -> str:
    """Return the ending of a file's own name, in which '#' and '?' are letters, in lower case and without dot."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""
