"""Crawl bad answers, all at once as each is a site of its own, and hold what came of them against their verdicts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import store
from pipeline.fetch.answers import Answer
from pipeline.fetch.crawl import Ask, open_crawl
from pipeline.fetch.http import HttpOptions
from tests.faults.bad_answer import BadAnswer
from tests.faults.server import Routes, Web, serve

LIMITS: dict[str, Any] = {
    "contact": "+https://sotto.test/bot",
    "delay_s": 0.0,
    "timeout_s": 1.0,
    "attempts": 2,
    "max_bytes": 8 << 20,
}
MAX_DETAIL = 500  # characters: it is shown to people, and stored with every row


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawled:
    """What a crawl gave for each bad answer, what the server saw, and where the bodies lie."""

    answers: dict[str, Answer | BaseException]
    web: Web
    blobs_uri: str

    def verdict(self, case: BadAnswer) -> tuple[str, bool, str]:
        """Return the status given, whether it is retryable, and what is said of it."""
        answer = self.answers[case.name]
        assert isinstance(answer, Answer), f"the crawl raised {answer!r}"
        return answer.status, answer.is_retryable, answer.detail or ""

    def given(self, case: BadAnswer) -> bytes | None:
        """Return the stored body, None where none was kept."""
        answer = self.answers[case.name]
        assert isinstance(answer, Answer)
        return store.read_bytes(store.blob_uri(self.blobs_uri, answer.sha256)) if answer.sha256 else None

    def check(self, case: BadAnswer) -> None:
        """Fail unless the verdict, the body kept and the number of requests are as the case says."""
        status, is_retryable, detail = self.verdict(case)
        assert (status, is_retryable) == (case.status, case.is_retryable), detail[:MAX_DETAIL]
        assert len(detail) <= MAX_DETAIL
        assert self.given(case) == case.gives
        if case.requests is not None:
            assert len(self.web.asked(case.host, case.url)) == case.requests


def polite(web: Web, **changes: Any) -> HttpOptions:
    """Return options under which faults show soon, and every host of the web is where it is."""
    settings: dict[str, Any] = {**LIMITS, "pins": web.pins, **changes}
    return HttpOptions(**settings)


def crawl(cases: Sequence[BadAnswer], folder: Path, others: Routes | None = None, **limits: Any) -> Crawled:
    """Serve every case on its own host and ask for all of them at once."""
    routes = {case.host: dict(case.replies) for case in cases} | (others or {})
    with serve(routes) as web:
        answers = asyncio.run(_ask_all(cases, polite(web, **limits), str(folder)))
    names = [case.name for case in cases]
    return Crawled(answers=dict(zip(names, answers, strict=True)), web=web, blobs_uri=str(folder))


def leftovers(folder: Path) -> list[Path]:
    """Return files that are neither a blob whose name is its hash, nor a note."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json"]
    return [path for path in files if hashlib.sha256(path.read_bytes()).hexdigest() != path.name]


async def _ask_all(cases: Sequence[BadAnswer], options: HttpOptions, blobs_uri: str) -> list[Any]:
    async with open_crawl(options, blobs_uri) as crawl:
        asks = [Ask(url=case.address, kind=case.kind, integrity=case.integrity) for case in cases]
        return await asyncio.gather(*(crawl.get(ask) for ask in asks), return_exceptions=True)
