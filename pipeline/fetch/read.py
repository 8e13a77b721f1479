"""Read a listing, wherever it lies, for discovery."""

from __future__ import annotations

from pathlib import Path

from pipeline import store
from pipeline.errors import UserError
from pipeline.fetch.http import HttpOptions, get_one, require_contact


def read_listing(url: str, options: HttpOptions) -> bytes:
    """Return the bytes at a path or URL; UserError when they cannot be had."""
    if url.startswith(("http://", "https://")):
        require_contact([url], options)
        response = get_one(url, options)
        if response.status != "ok":
            raise UserError(
                f"listing {url!r} cannot be fetched ({response.status}: {response.detail}); "
                "expected a public http(s) address; "
                "set fetch.http.allow_private=true for a server of your own"
            )
        return response.body
    if not store.is_local(url):
        return store.read_bytes(url)
    path = Path(url).expanduser()
    if not path.is_file():
        raise UserError(f"listing {url!r} is not a file; expected JSONL or CSV; give root=FILE")
    return path.read_bytes()
