"""Fetch: CANDIDATE to RECORDING, one row each; bytes are stored once by content, then decoded to be believed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from pipeline import store, tables
from pipeline.fetch.answers import Answer
from pipeline.fetch.body import Kind
from pipeline.fetch.crawl import Ask, Crawl, open_crawl
from pipeline.fetch.decoded import Facts, Limits, decode_once
from pipeline.fetch.http import HttpOptions, require_contact
from pipeline.fetch.pace import Budgets
from pipeline.hosts import is_web, site_of
from pipeline.ids import key_of
from pipeline.schema import RECORDING
from pipeline.stage import Context, Output, Stage, Tables, semantic_config

Row = dict[str, Any]
MAX_TO_DECODE = 256  # recordings that have come and wait for the decoder; their bytes lie on the disk
REFUSALS = ("opted_out", "robots", "host_refused", "taken_down")  # a no, which is neither a success nor an error


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchConfig:
    """How to fetch and how long a recording may be.

    A new `refresh` asks again for what is stored, a new `retry` for what failed and may pass.
    """

    http: HttpOptions
    refresh: str = ""
    retry: str = ""
    max_duration_ms: int = 6 * 3600 * 1000
    decode_timeout_s: float = field(default=600.0, metadata={"semantic": False})
    max_error_rate: float = field(default=0.5, metadata={"semantic": False})


@dataclass(frozen=True, slots=True)
class Fetch:
    """The fetch stage's function; `budgets` holds the sites' turns for all units of a run."""

    config: FetchConfig
    budgets: Budgets | None = field(default=None, repr=False)

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Fetch a part of candidates: several sites at once, while what has come is decoded to learn what it is."""
        candidates: list[Row] = inputs["candidate"].to_pylist()
        require_contact(_urls(candidates), self.config.http)
        try:
            rows = asyncio.run(self._fetch_all(candidates, context.blobs_uri))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors  # the executor tells errors apart by their kind
        return {"recording": [tables.from_rows(rows, RECORDING)]}

    async def _fetch_all(self, candidates: Sequence[Row], blobs_uri: str) -> list[Row]:
        config = self.config
        opened = open_crawl(config.http, blobs_uri, refresh=config.refresh, retry=config.retry, budgets=self.budgets)
        async with opened as crawl:
            with ThreadPoolExecutor(1, thread_name_prefix="decode") as decoding:
                return await _Unit(config, crawl, decoding, blobs_uri).fetch(candidates)


class _Unit:
    """One unit on its way: who is fetched from, what is being decoded, and the rows that are done."""

    def __init__(self, config: FetchConfig, crawl: Crawl, decoding: ThreadPoolExecutor, blobs_uri: str) -> None:
        self._crawl = crawl
        self._decoding = decoding
        self._blobs_uri = blobs_uri
        self._limits = Limits(max_duration_ms=config.max_duration_ms, timeout_s=config.decode_timeout_s)
        self._num_workers = config.http.connections
        self._room = asyncio.Semaphore(MAX_TO_DECODE)
        self._done: dict[int, Row] = {}

    async def fetch(self, candidates: Sequence[Row]) -> list[Row]:
        """Return the candidates' rows, in order; a site's candidates are fetched one after the other."""
        sites = iter(_by_site(candidates))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._num_workers):
                group.create_task(self._work(sites, candidates, group))
        return [self._done[number] for number in range(len(candidates))]

    async def _work(self, sites: Iterator[list[int]], candidates: Sequence[Row], group: asyncio.TaskGroup) -> None:
        for site in sites:
            for number in site:
                row = candidates[number]
                audio = await self._audio(row)
                text = await self._text(row, audio)
                await self._room.acquire()
                group.create_task(self._finish(number, row, audio, text))

    async def _audio(self, row: Row) -> Answer:
        url = str(row["audio_url"])
        if row["opt_out_evidence"]:
            return Answer(url=url, status="opted_out", detail=row["opt_out_evidence"])
        if row["status"] != "ok":
            return Answer(url=url, status=row["status"], detail=row["status_detail"], is_retryable=row["is_retryable"])
        return await self._get(row, url, "audio", row["integrity"])

    async def _text(self, row: Row, audio: Answer) -> Answer:
        """Fetch the caption; nobody who refuses the audio is asked for more."""
        if not row["text_url"] or row["status"] != "ok" or audio.status in REFUSALS:
            return Answer(url="", status="absent")
        return await self._get(row, row["text_url"], "text", None)

    async def _get(self, row: Row, url: str, kind: Kind, integrity: str | None) -> Answer:
        is_from_the_web = is_web(row["page_url"] or "") or is_web(row["seed_url"] or "")
        if is_from_the_web and not (is_web(url) or url.startswith(store.BLOB_SCHEME)):
            return Answer(url=url, status="bad_url", detail="a place on the web names a file that is not")
        return await self._crawl.get(Ask(url=url, kind=kind, validator=row["validator"] or "", integrity=integrity))

    async def _finish(self, number: int, row: Row, audio: Answer, text: Answer) -> None:
        facts = await asyncio.get_running_loop().run_in_executor(self._decoding, self._settle, audio, text)
        self._done[number] = _recording(row, audio, text, facts)
        self._room.release()

    def _settle(self, audio: Answer, text: Answer) -> Facts:
        """Make the caption last and decode the audio, which makes it last."""
        if text.status == "ok" and text.sha256 is not None:
            store.sync(store.blob_uri(self._blobs_uri, text.sha256))
        if audio.status == "ok" and audio.sha256 is not None:
            return decode_once(self._blobs_uri, audio.sha256, self._limits)
        return Facts(status=audio.status, detail=audio.detail)


def _by_site(candidates: Sequence[Row]) -> list[list[int]]:
    """Return the row numbers of each site; what lies on no web site stands alone."""
    sites: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(candidates):
        sites[site_of(row["audio_url"]) or f"#{number}"].append(number)
    return list(sites.values())


def _urls(candidates: Iterable[Row]) -> Iterator[str]:
    for row in candidates:
        if row["status"] == "ok" and not row["opt_out_evidence"]:
            yield row["audio_url"]
            yield row["text_url"] or ""


def _recording(row: Row, audio: Answer, text: Answer, facts: Facts) -> Row:
    is_ok = audio.status == "ok"
    last = audio.hops[-1] if audio.hops else None
    return {
        "recording_id": key_of(row["candidate_id"], (audio.sha256 or "") if is_ok else ""),
        **{name: row[name] for name in _CARRIED},
        **asdict(facts),
        "status": facts.status,
        "status_detail": facts.detail,
        "is_retryable": audio.is_retryable,
        "text_status": text.status,
        "text_status_detail": text.detail,
        "final_url": last.url if last else None,
        "redirects": [hop.url for hop in audio.hops[1:-1]] if last else None,
        "opt_out_evidence": "\n".join(_refusals(row, audio)) or None,
        "http_status": audio.http_status,
        "etag": audio.etag,
        "last_modified": audio.last_modified,
        "content_type": audio.content_type,
        "peer": last.peer if last else None,
        "robots_verdict": last.robots_verdict if last else None,
        "robots_sha256": last.robots_sha256 if last else None,
        "robots_checked_ms": last.robots_checked_ms if last else None,
        "user_agent": audio.user_agent,
        "sha256": audio.sha256 if is_ok else None,
        "text_sha256": text.sha256 if text.status == "ok" else None,
        "audio_bytes": audio.num_bytes if is_ok else None,
        "fetched_ms": audio.fetched_ms or None,
    }


def _refusals(row: Row, audio: Answer) -> list[str]:
    return list(dict.fromkeys((*(row["opt_out_evidence"] or "").splitlines(), *audio.opt_outs)))


_CARRIED = (
    "candidate_id",
    "source",
    "page_url",
    "audio_url",
    "text_url",
    "title",
    "guid",
    "declared_lang",
    "declared_text_lang",
    "declared_split",
    "is_synthetic",
    "license",
    "license_url",
    "license_evidence",
    "text_format",
    "text_kind",
    "text_kind_evidence",
    "integrity",
)


def fetch_stage(config: FetchConfig, budgets: Budgets | None = None) -> Stage:
    """Build the stage that fetches every candidate."""
    identity = semantic_config(config) | {"http": semantic_config(config.http)}
    return Stage(
        name="fetch",
        reads={"candidate": None},
        outputs=(
            Output(
                name="recording",
                schema=RECORDING,
                version=3,
                config=identity,
                count_by=("status", "text_status"),
            ),
        ),
        run=Fetch(config, budgets),
        conserve=_same_candidates,
        max_error_rate=config.max_error_rate,
        ok_count="status:ok",
        refused_counts=tuple(f"status:{status}" for status in REFUSALS),
    )


def _same_candidates(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    found = pa.concat_tables(outputs["recording"])["candidate_id"].combine_chunks()
    assert found.equals(inputs["candidate"]["candidate_id"].combine_chunks()), "fetch lost or added a candidate"
