"""Read pages for discovery: a file, an object or a polite HTTP answer, whatever the address says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline import store
from pipeline.fetch.http import Http, HttpOptions, Response, open_http, require_contact
from pipeline.hosts import is_web
from pipeline.page import Page, Read


@dataclass(frozen=True, slots=True)
class PageReader:
    """Reads with the fetcher's own options, so that discovery is as polite as fetching."""

    options: HttpOptions

    @contextmanager
    def open(self, blobs_uri: str) -> Generator[Read]:
        """Start an HTTP session in a thread of its own; the reads may come from several threads."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="page-reader", daemon=True)
        thread.start()
        session = open_http(self.options)
        http = asyncio.run_coroutine_threadsafe(session.__aenter__(), loop).result()
        try:
            yield lambda url: self._read(url, http, loop)
        finally:
            asyncio.run_coroutine_threadsafe(session.__aexit__(None, None, None), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _read(self, url: str, http: Http, loop: asyncio.AbstractEventLoop) -> Page:
        if is_web(url):
            require_contact([url], self.options)
            response = asyncio.run_coroutine_threadsafe(http.get(url), loop).result()
        else:
            response = read_stored(url)
        return Page(
            url=url,
            status=response.status,
            detail=response.detail,
            is_retryable=response.is_retryable,
            body=response.body,
        )


def read_stored(url: str) -> Response:
    """Return the bytes at a local path or in a store; status missing_file when they cannot be had."""
    try:
        body = store.read_bytes(str(Path(url).expanduser()) if store.is_local(url) else url)
    except OSError as error:
        return Response(status="missing_file", detail=str(error.strerror or error))
    return Response(status="ok", body=body)
