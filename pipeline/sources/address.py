"""Addresses in documents that strangers wrote: made absolute, and never pointing where the document itself is not."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

from pipeline.hosts import is_web
from pipeline.suffixes import AUDIO, VIDEO, suffix_of


def absolute(base: str, address: str) -> str | None:
    """Return an address as http(s) or, from a local document, as a path beside or below it; None for anything else."""
    try:
        address = urldefrag(address.strip()).url
        if is_web(base):
            joined = urljoin(base, address)
            return joined if is_web(joined) else None
    except ValueError:
        return None
    return address if is_web(address) else _local(base, address)


def is_video(media_type: str, address: str) -> bool | None:
    """Tell video from audio by the declared type, else by the name's ending; None when it is neither."""
    kind = media_type.partition("/")[0].strip().lower()
    if kind in ("audio", "video"):
        return kind == "video"
    suffix = suffix_of(address)
    return suffix in VIDEO if suffix in AUDIO | VIDEO else None


def _local(base: str, address: str) -> str | None:
    folder = Path(base).expanduser().resolve().parent
    if not address or ":" in address or "://" in base:
        return None
    path = (folder / unquote(address)).resolve()
    return str(path) if path.is_relative_to(folder) else None
