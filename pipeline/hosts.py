"""Whose machine a URL asks: its host, and the site (registrable domain) that owns the host."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit

from tldextract import TLDExtract

WEB = ("http://", "https://")


def is_web(url: str) -> bool:
    """Tell whether a URL is fetched over HTTP, and so politely."""
    return url.lower().startswith(WEB)


def host_of(url: str) -> str:
    """Return the host of a web URL, without its port; '' for anything else."""
    try:
        return (urlsplit(url).hostname or "") if is_web(url) else ""
    except ValueError:
        return ""


def site_of(url: str) -> str:
    """Return the registrable domain of a web URL ('bbc.co.uk'), its host where it has none, '' for anything else."""
    return _site(host_of(url))


@cache
def _site(host: str) -> str:
    return _extract()(host).top_domain_under_public_suffix or host


@cache
def _extract() -> TLDExtract:
    # The list of suffixes comes with the package: nothing is fetched and nothing is written.
    return TLDExtract(suffix_list_urls=(), cache_dir=None)
