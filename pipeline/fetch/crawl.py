"""Ask for addresses politely, remember every answer, and keep every body once, by its hash.

Redirects are followed by hand: each hop has its own robots verdict, opt-outs, turn and guard. An answer that is stored
is not asked for again until `refresh` says so, or `retry` for one that failed but may pass.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar
from urllib.parse import urldefrag, urljoin
from weakref import WeakValueDictionary

from pipeline import embedded_file, store
from pipeline.fetch import answers
from pipeline.fetch.address import flaw_of, is_downgrade
from pipeline.fetch.answers import Answer, Hop
from pipeline.fetch.body import MAX_TEXT_BYTES, Kind, Wanted
from pipeline.fetch.http import Client, HttpOptions, Refused, Reply, open_client, require_contact
from pipeline.fetch.pace import UNREACHED, Budgets, Clock, HostBudgets
from pipeline.fetch.robots import Notices, Verdict
from pipeline.fetch.spool import FOLDER, Spool, keys_of_beginnings
from pipeline.hosts import host_of, is_web
from pipeline.ids import key_of
from pipeline.optouts import in_headers

MAX_REDIRECTS = 10
MAX_DETAIL = 400  # characters of what a library or server said
P = ParamSpec("P")
T = TypeVar("T")
NOT_AT_ONCE = ("host_", "robots_")  # tried as often as makes sense already, or to be let alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """An address and what is expected there; `validator` changes when a local file or a listed checksum does."""

    url: str
    kind: Kind
    validator: str = ""
    integrity: str | None = None


class Crawl:
    """An open session; its gets may run at the same time, a site's still go one after the other."""

    def __init__(self, client: Client, blobs_uri: str, spool_folder: Path, refresh: str, retry: str) -> None:
        """Wrap an open client; see open_crawl."""
        self._client = client
        self._options = client.options
        self._notices = Notices(client, blobs_uri)
        self._blobs_uri = blobs_uri
        self._spool_folder = spool_folder
        self._refresh = refresh
        self._retry = retry
        self._beginnings = keys_of_beginnings(spool_folder)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, ask: Ask) -> Answer:
        """Return what became of an address, its body in the blob store; never raises for what others do.

        UserError where its host is not ours and no contact is set, DataError where a body cannot be written.
        """
        if ask.url.startswith(store.BLOB_SCHEME):
            return Answer(url=ask.url, status="ok", sha256=ask.url.removeprefix(store.BLOB_SCHEME))
        lock = self._locks.setdefault(ask.url, asyncio.Lock())
        async with lock:
            stored = await self._off_the_loop(answers.load, self._blobs_uri, ask.url)
            if stored is not None and await self._is_final(stored, ask):
                return stored
            if is_web(ask.url):
                return await self._fetch(ask, stored)
            return await asyncio.to_thread(self._copy, ask)

    async def _is_final(self, stored: Answer, ask: Ask) -> bool:
        is_same = (stored.refresh, stored.validator, stored.terms) == (self._refresh, ask.validator, self._terms(ask))
        if not is_same or (stored.is_retryable and stored.retry != self._retry):
            return False
        if stored.status != "ok":
            return stored.max_bytes == self._options.max_bytes
        return await self._has_blob(stored)

    async def _fetch(self, ask: Ask, stored: Answer | None) -> Answer:
        earlier = stored if stored is not None and stored.terms == self._terms(ask) else None
        if earlier is not None and not await self._has_blob(earlier):
            earlier = None
        with Spool(self._spool_folder, ask.url, self._wanted(ask)) as spool:
            if key_of(ask.url) in self._beginnings:
                await self._take_up(spool)
            answer = await self._follow(ask, earlier, spool)
            for _ in range(1, self._options.attempts):
                if not answer.is_retryable or answer.status.startswith(NOT_AT_ONCE):
                    break
                answer = await self._follow(ask, earlier, spool)
            if answer.status in UNREACHED:
                self._client.pace.give_up(host_of(answer.final_url))
            if answer.status == "ok" and answer.sha256 is None:
                return await self._off_the_loop(self._keep, answer, spool)
        if answer.is_retryable and earlier is not None:
            answer = _with_body_of(earlier, replace(answer, etag=None, last_modified=None))
        return await self._off_the_loop(self._save, answer)

    async def _follow(self, ask: Ask, earlier: Answer | None, spool: Spool) -> Answer:
        url, hops = ask.url, list[Hop]()
        for _ in range(MAX_REDIRECTS + 1):
            flaw = flaw_of(url)
            if flaw is not None:
                return self._answer(ask, hops, "bad_url", f"{url}: {flaw}")
            require_contact([url], self._options)
            verdict = await self._notices.judge(url)
            started_ms = self._client.clock.wall_ms()
            if verdict.status != "ok":
                hops.append(_hop(url, started_ms, verdict, None))
                refused = self._answer(ask, hops, verdict.status, verdict.detail)
                return replace(refused, is_retryable=verdict.is_retryable, opt_outs=verdict.opt_outs)
            reply = await self._request(url, ask, earlier, spool)
            hops.append(_hop(url, started_ms, verdict, reply))
            refusals = in_headers(reply.headers) if reply.status != "ok" else []  # the spool has looked at those
            if refusals:
                refused = self._answer(ask, hops, "opted_out", "\n".join(refusals))
                return replace(refused, opt_outs=tuple(refusals))
            if reply.status != "redirect":
                return self._replied(ask, hops, reply, earlier)
            target = _target(url, reply.detail or "")
            if flaw_of(target) is None and is_downgrade(url, target):
                return self._answer(ask, hops, "insecure_redirect", f"{url} leads to {target}")
            url = target
        return self._answer(ask, hops, "too_many_redirects", f"more than {MAX_REDIRECTS}")

    async def _request(self, url: str, ask: Ask, earlier: Answer | None, spool: Spool) -> Reply:
        """Ask for what is new: all of it, the rest of a cut body, or a word that nothing has changed."""
        headers = {"Accept-Encoding": "identity" if ask.kind == "audio" else "gzip, deflate"}
        if earlier is not None and earlier.final_url == url:
            headers |= {"If-None-Match": earlier.etag} if earlier.etag else {}
            headers |= {"If-Modified-Since": earlier.last_modified} if earlier.last_modified else {}
        rest = spool.range_headers()
        if rest:
            reply = await self._client.exchange(url, headers | rest | {"Accept-Encoding": "identity"}, spool)
            if reply.status != "range_refused":
                return reply
            spool.forget()
        return await self._client.exchange(url, headers, spool)

    def _replied(self, ask: Ask, hops: Sequence[Hop], reply: Reply, earlier: Answer | None) -> Answer:
        answer = self._answer(ask, hops, reply.status, reply.detail, reply)
        if reply.status != "not_modified":
            return answer
        assert earlier is not None
        same = _with_body_of(earlier, answer)
        return replace(same, status="ok", http_status=earlier.http_status, content_type=earlier.content_type)

    def _answer(
        self, ask: Ask, hops: Sequence[Hop], status: str, detail: str | None, reply: Reply | None = None
    ) -> Answer:
        return Answer(
            url=ask.url,
            status=status,
            detail=detail[:MAX_DETAIL] if detail else None,
            http_status=hops[-1].http_status if hops else None,
            hops=tuple(hops),
            is_retryable=reply.is_retryable if reply else False,
            etag=reply.header("etag") if reply else None,
            last_modified=reply.header("last-modified") if reply else None,
            content_type=reply.header("content-type") if reply else None,
            fetched_ms=self._client.clock.wall_ms(),
            user_agent=self._options.user_agent if is_web(ask.url) else None,
            refresh=self._refresh,
            retry=self._retry,
            validator=ask.validator,
            terms=self._terms(ask),
            max_bytes=self._options.max_bytes,
        )

    def _copy(self, ask: Ask) -> Answer:
        """Take in a local file or one in a store; it is remembered only if it has a validator."""
        answer = self._answer(ask, (), "ok", None)
        is_known = store.is_local(ask.url) or ask.url.startswith("s3://")
        if not is_known:
            return replace(answer, status="bad_url", detail="expected http(s)://, s3:// or a path")
        uri = str(Path(ask.url).expanduser()) if store.is_local(ask.url) else ask.url
        with Spool(self._spool_folder, ask.url, self._wanted(ask)) as spool:
            try:
                with _opened(uri) as file:
                    spool.fill(file)
                answer = replace(answer, sha256=spool.sha256, num_bytes=spool.num_bytes)
                spool.move_to(self._blobs_uri)
            except Refused as error:
                answer = replace(answer, status=error.status, detail=error.detail)
            except OSError as error:
                answer = replace(answer, status="missing_file", detail=str(error.strerror or error))
        return self._save(answer) if ask.validator else answer

    def _keep(self, answer: Answer, spool: Spool) -> Answer:
        spool.move_to(self._blobs_uri)
        return self._save(replace(answer, sha256=spool.sha256, num_bytes=spool.num_bytes))

    def _save(self, answer: Answer) -> Answer:
        answers.save(self._blobs_uri, answer)
        return answer

    async def _take_up(self, spool: Spool) -> None:
        try:
            await asyncio.to_thread(spool.take_up)
        except Refused:
            spool.forget()

    async def _has_blob(self, answer: Answer) -> bool:
        if answer.sha256 is None:
            return False
        return await self._off_the_loop(store.exists, store.blob_uri(self._blobs_uri, answer.sha256))

    async def _off_the_loop(self, do: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Use the store: at once where it is this machine's disk, in a thread where it is a network."""
        if store.is_local(self._blobs_uri):
            return do(*args, **named)
        return await asyncio.to_thread(do, *args, **named)

    def _wanted(self, ask: Ask) -> Wanted:
        most = self._options.max_bytes if ask.kind == "audio" else min(self._options.max_bytes, MAX_TEXT_BYTES)
        return Wanted(kind=ask.kind, max_bytes=most, integrity=ask.integrity)

    def _terms(self, ask: Ask) -> str:
        heeds = "heeding" if self._options.honour_ai_agents else "without"
        return f"{ask.kind} {ask.integrity or ''} {heeds} AI agents"


@asynccontextmanager
async def open_crawl(
    options: HttpOptions,
    blobs_uri: str,
    *,
    refresh: str = "",
    retry: str = "",
    budgets: Budgets | None = None,
    clock: Clock | None = None,
) -> AsyncGenerator[Crawl]:
    """Open a session that keeps bodies and answers under `blobs_uri`; without `budgets` it keeps the turns itself."""
    with _spool_folder(blobs_uri) as folder:
        async with open_client(options, budgets or HostBudgets(), clock or Clock()) as client:
            yield Crawl(client, blobs_uri, folder, refresh, retry)


@contextmanager
def _spool_folder(blobs_uri: str) -> Generator[Path]:
    """Spool beside local blobs, where a killed process leaves what can be gone on from; else to a temporary folder."""
    if store.is_local(blobs_uri):
        folder = store.local_path(blobs_uri) / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="sotto-spool-") as folder:
        yield Path(folder)


def _opened(uri: str) -> BinaryIO:
    if embedded_file.is_embedded(uri):
        return io.BytesIO(embedded_file.read(uri))
    return store.open_file(uri)


def _hop(url: str, started_ms: int, verdict: Verdict, reply: Reply | None) -> Hop:
    is_allowed = verdict.status in ("ok", "opted_out")
    return Hop(
        url=url,
        started_ms=started_ms,
        http_status=reply.http_status if reply else None,
        peer=reply.peer if reply else None,
        robots_verdict="allowed" if is_allowed else verdict.detail or verdict.status,
        robots_sha256=verdict.robots_sha256,
        robots_checked_ms=verdict.robots_checked_ms,
    )


def _with_body_of(earlier: Answer, answer: Answer) -> Answer:
    """Keep an earlier body and what the next conditional request needs; validators in the answer are newer."""
    return replace(
        answer,
        etag=answer.etag or earlier.etag,
        last_modified=answer.last_modified or earlier.last_modified,
        sha256=earlier.sha256,
        num_bytes=earlier.num_bytes,
    )


def _target(url: str, location: str) -> str:
    try:
        return urldefrag(urljoin(url, location)).url
    except ValueError:
        return location
