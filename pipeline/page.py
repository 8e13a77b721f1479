"""What reading an address gives, and who reads: the seam between discovery and the polite fetcher."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What reading a URL or path gave: `status` is 'ok', or why there is no body."""

    url: str  # after redirects: what relative addresses are relative to
    status: str = "ok"
    detail: str | None = None
    is_retryable: bool = False
    body: bytes = b""
    content_type: str | None = None
    opt_outs: tuple[str, ...] = ()  # refusals in the answer's headers and its host's files, verbatim


Read = Callable[[str], Page]


class Reader(Protocol):
    """Opens a polite session: every read of it shares the hosts' budgets and the robots verdicts."""

    def open(self, blobs_uri: str) -> AbstractContextManager[Read]:
        """Start reading; the reads may come from several threads."""
        ...
