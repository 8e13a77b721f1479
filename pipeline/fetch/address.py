"""What of a web address matters to a fetcher: whether it can be asked for, its origin, its path, how it goes out."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from yarl import URL

REMEMBERED = 1024  # each is asked several times while it is on its way
DEFAULT_PORTS = {"http": 80, "https": 443}


def as_written(url: str) -> URL:
    """Ask for an address as it was published: quoting it again breaks signed ones. Only what is no ASCII is quoted."""
    return URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)


@lru_cache(maxsize=REMEMBERED)
def origin_of(url: str) -> str:
    """Return scheme, host and port of an address, the port only where it is not the scheme's own."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port if parts.port not in (None, DEFAULT_PORTS.get(parts.scheme)) else None
    return f"{parts.scheme.lower()}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


@lru_cache(maxsize=REMEMBERED)
def path_of(url: str) -> str:
    """Return path and query of an address, as robots.txt rules are matched."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def flaw_of(url: str) -> str | None:
    """Say why an address cannot be asked for; None when it can."""
    if not url.isprintable():
        return "it holds control characters"
    try:
        parts = urlsplit(url)
        is_good = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        return str(error)
    if not is_good:
        return "expected http(s)://host"
    return "credentials are not sent" if parts.username is not None or parts.password is not None else None


def is_downgrade(url: str, target: str) -> bool:
    """Tell whether a redirect leads from https to something else."""
    return urlsplit(url).scheme.lower() == "https" and urlsplit(target).scheme.lower() != "https"
