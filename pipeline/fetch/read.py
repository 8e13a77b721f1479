"""Read pages for discovery: a file, an object or a polite HTTP answer, whatever the address says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import store
from pipeline.fetch.answers import Answer
from pipeline.fetch.crawl import Ask, Crawl, open_crawl
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.pace import Budgets
from pipeline.hosts import is_web
from pipeline.page import Page, Read


@dataclass(frozen=True, slots=True)
class PageReader:
    """Reads with the fetcher's own options, turns and memory, so that discovery is as polite as fetching."""

    options: HttpOptions
    refresh: str = ""
    retry: str = ""
    budgets: Budgets | None = field(default=None, repr=False)

    @contextmanager
    def open(self, blobs_uri: str) -> Generator[Read]:
        """Start a crawl in a thread of its own; the reads may come from several threads."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="page-reader", daemon=True)
        thread.start()
        session = open_crawl(self.options, blobs_uri, refresh=self.refresh, retry=self.retry, budgets=self.budgets)
        crawl = asyncio.run_coroutine_threadsafe(session.__aenter__(), loop).result()
        try:
            yield lambda url: _read(url, crawl, loop, blobs_uri)
        finally:
            asyncio.run_coroutine_threadsafe(session.__aexit__(None, None, None), loop).result()
            asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def _read(url: str, crawl: Crawl, loop: asyncio.AbstractEventLoop, blobs_uri: str) -> Page:
    if not is_web(url):
        return _read_stored(url)
    answer = asyncio.run_coroutine_threadsafe(crawl.get(Ask(url=url, kind="page")), loop).result()
    return Page(
        url=answer.final_url,
        status=answer.status,
        detail=answer.detail,
        is_retryable=answer.is_retryable,
        body=_body(answer, blobs_uri),
        content_type=answer.content_type,
        opt_outs=answer.opt_outs,
    )


def _body(answer: Answer, blobs_uri: str) -> bytes:
    if answer.status != "ok" or answer.sha256 is None:
        return b""
    return store.read_bytes(store.blob_uri(blobs_uri, answer.sha256))


def _read_stored(url: str) -> Page:
    if not (store.is_local(url) or url.startswith("s3://")):
        return Page(url=url, status="bad_url", detail="expected http(s)://, s3:// or a path")
    try:
        body = store.read_bytes(str(Path(url).expanduser()) if store.is_local(url) else url)
    except OSError as error:
        return Page(url=url, status="missing_file", detail=str(error.strerror or error))
    return Page(url=url, body=body)
