"""Fetch: CANDIDATE to RECORDING, one row each; bytes are stored once by content, then decoded to be believed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from pipeline import decoder, store, tables
from pipeline.audio import DecodeError
from pipeline.fetch.http import Http, HttpOptions, Response, open_http, require_contact
from pipeline.fetch.read import read_stored
from pipeline.schema import RECORDING
from pipeline.stage import Context, Output, Stage, Tables, semantic_config

Row = dict[str, Any]
BY_URL = "by-url"
ID_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchConfig:
    """How to fetch and how long a recording may be; a new `refresh` fetches again what is stored."""

    http: HttpOptions
    refresh: str = ""
    max_duration_ms: int = 6 * 3600 * 1000
    decode_timeout_s: float = field(default=600.0, metadata={"semantic": False})
    max_error_rate: float = field(default=0.5, metadata={"semantic": False})


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """What became of one URL or path, with its bytes already stored."""

    status: str
    detail: str | None = None
    is_retryable: bool = False
    http_status: int | None = None
    etag: str | None = None
    sha256: str | None = None
    num_bytes: int | None = None


ABSENT = Blob(status="absent")


@dataclass(frozen=True, slots=True)
class Fetch:
    """The fetch stage's function."""

    config: FetchConfig

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Fetch a part of candidates, then decode each audio file once to learn what it really is."""
        candidates: list[Row] = inputs["candidate"].to_pylist()
        require_contact((row["audio_url"] for row in candidates), self.config.http)
        pairs = asyncio.run(self._download(candidates, context.blobs_uri))
        rows = [self._recording(row, *pair, context.blobs_uri) for row, pair in zip(candidates, pairs, strict=True)]
        return {"recording": [tables.from_rows(rows, RECORDING)]}

    async def _download(self, candidates: list[Row], blobs_uri: str) -> list[tuple[Blob, Blob]]:
        async with open_http(self.config.http) as http:
            return await asyncio.gather(*(self._pair(http, row, blobs_uri) for row in candidates))

    async def _pair(self, http: Http, row: Row, blobs_uri: str) -> tuple[Blob, Blob]:
        if row["opt_out_evidence"]:
            return Blob(status="opted_out", detail=row["opt_out_evidence"]), ABSENT
        if row["status"] != "ok":
            return Blob(status=row["status"], detail=row["status_detail"], is_retryable=row["is_retryable"]), ABSENT
        version = f"{self.config.refresh} {row['validator'] or ''}"
        audio = await _blob(http, row["audio_url"], version, blobs_uri)
        text = await _blob(http, row["text_url"], version, blobs_uri) if row["text_url"] else ABSENT
        return audio, text

    def _recording(self, row: Row, audio: Blob, text: Blob, blobs_uri: str) -> Row:
        facts: Row = {
            "pcm_sha256": None,
            "container": None,
            "codec": None,
            "sample_rate": None,
            "channels": None,
            "duration_ms": None,
        }
        status, detail = audio.status, audio.detail
        if audio.sha256 is not None:
            try:
                data = store.read_bytes(store.blob_uri(blobs_uri, audio.sha256))
                decoded = decoder.decode(data, self.config.max_duration_ms, self.config.decode_timeout_s)
                facts = {name: getattr(decoded, name) for name in facts}
            except DecodeError as error:
                status, detail = "undecodable", str(error)
        return {
            "recording_id": _hash(row["candidate_id"], audio.sha256 or ""),
            **{name: row[name] for name in _CARRIED},
            "status": status,
            "status_detail": detail,
            "is_retryable": audio.is_retryable,
            "text_status": text.status,
            "text_status_detail": text.detail,
            "http_status": audio.http_status,
            "etag": audio.etag,
            "sha256": audio.sha256,
            "text_sha256": text.sha256,
            "audio_bytes": audio.num_bytes,
            **dict.fromkeys(_UNKNOWN),
            "fetched_ms": time.time_ns() // 1_000_000,
            **facts,
        }


_UNKNOWN = (
    "final_url",
    "redirects",
    "last_modified",
    "content_type",
    "peer",
    "robots_verdict",
    "robots_sha256",
    "robots_checked_ms",
    "user_agent",
)
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
    "license",
    "license_url",
    "license_evidence",
    "opt_out_evidence",
    "text_format",
    "text_kind",
)


def fetch_stage(config: FetchConfig) -> Stage:
    """Build the stage that fetches every candidate."""
    identity = semantic_config(config) | {"http": semantic_config(config.http)}
    return Stage(
        name="fetch",
        reads={"candidate": None},
        outputs=(
            Output(
                name="recording",
                schema=RECORDING,
                version=1,
                config=identity,
                count_by=("status", "text_status"),
            ),
        ),
        run=Fetch(config),
        conserve=_same_candidates,
        max_error_rate=config.max_error_rate,
        ok_count="status:ok",
    )


def _same_candidates(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    found = pa.concat_tables(outputs["recording"])["candidate_id"].combine_chunks()
    assert found.equals(inputs["candidate"]["candidate_id"].combine_chunks()), "fetch lost or added a candidate"


async def _blob(http: Http, url: str, version: str, blobs_uri: str) -> Blob:
    if url.startswith(store.BLOB_SCHEME):
        return Blob(status="ok", sha256=url.removeprefix(store.BLOB_SCHEME))
    if "://" not in url:
        return _stored(read_stored(url), blobs_uri)
    receipt_uri = store.join(blobs_uri, BY_URL, f"{_hash(url, version)}.json")
    if store.exists(receipt_uri):
        return Blob(**json.loads(store.read_bytes(receipt_uri)))
    blob = _stored(await http.get(url), blobs_uri)
    if not blob.is_retryable:
        store.publish(receipt_uri, json.dumps(asdict(blob)).encode())
    return blob


def _stored(response: Response, blobs_uri: str) -> Blob:
    is_ok = response.status == "ok"
    return Blob(
        status=response.status,
        detail=response.detail,
        is_retryable=response.is_retryable,
        http_status=response.http_status,
        etag=response.etag,
        sha256=store.put_blob(blobs_uri, response.body) if is_ok else None,
        num_bytes=len(response.body) if is_ok else None,
    )


def _hash(*parts: str) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=ID_BYTES).hexdigest()
