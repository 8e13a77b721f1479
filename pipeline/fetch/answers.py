"""What became of every address asked for: one JSON file each, `by-url/<hash of the url>.json` beside the blobs.

A later refresh overwrites it; until then it is final, and nobody is asked again.
"""

from __future__ import annotations

import errno
import json
import os
import uuid
from dataclasses import dataclass, fields
from typing import Any

from pipeline import store
from pipeline.ids import key_of

BY_URL = "by-url"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One address on the way: who was connected to, and the robots.txt that allowed it or did not."""

    url: str
    started_ms: int
    http_status: int | None = None
    peer: str | None = None  # address:port
    robots_verdict: str | None = None  # 'allowed', or why not
    robots_sha256: str | None = None  # blob of the robots.txt obeyed; None where the host has none
    robots_checked_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of an address: `status` is 'ok' with the body in the blob store, or why there is none.

    A failure keeps what an earlier answer left (etag, sha256), so that asking again costs little.
    """

    url: str
    status: str
    detail: str | None = None
    is_retryable: bool = False
    http_status: int | None = None
    hops: tuple[Hop, ...] = ()  # the last one is the final address
    etag: str | None = None
    last_modified: str | None = None
    content_type: str | None = None
    opt_outs: tuple[str, ...] = ()  # verbatim; the status is opted_out when there are any
    sha256: str | None = None
    num_bytes: int | None = None
    fetched_ms: int = 0
    user_agent: str | None = None
    refresh: str = ""  # the words it was asked under, and what else it depends on
    retry: str = ""
    validator: str = ""
    terms: str = ""
    max_bytes: int = 0

    @property
    def final_url(self) -> str:
        """Where it was, after redirects."""
        return self.hops[-1].url if self.hops else self.url


_OF_ANSWER, _OF_HOP = (tuple(item.name for item in fields(kind)) for kind in (Answer, Hop))


def load(blobs_uri: str, url: str) -> Answer | None:
    """Read the answer for an address; None where there is none, or a file that is no whole answer."""
    uri = _uri(blobs_uri, url)
    try:
        stored: dict[str, Any] = json.loads(store.read_bytes(uri))
        stored |= {"hops": tuple(Hop(**hop) for hop in stored["hops"]), "opt_outs": tuple(stored["opt_outs"])}
        return Answer(**stored)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def save(blobs_uri: str, answer: Answer) -> None:
    """Write an answer whole or not at all.

    Not synced to the disk: what a power cut takes is asked for again, and costs one conditional request.
    """
    uri, data = _uri(blobs_uri, answer.url), json.dumps(answer, default=_fields, ensure_ascii=False).encode()
    if not store.is_local(uri):
        store.publish(uri, data)
        return
    path = str(store.local_path(uri))
    temporary = f"{path}.tmp-{uuid.uuid4().hex[:12]}"
    try:
        _write(temporary, data)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write(temporary, data)
    os.replace(temporary, path)


def _write(path: str, data: bytes) -> None:
    with open(path, "xb", buffering=0) as file:
        num_written = file.write(data)
    if num_written != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def _fields(value: Answer | Hop) -> dict[str, Any]:
    return {name: getattr(value, name) for name in (_OF_ANSWER if isinstance(value, Answer) else _OF_HOP)}


def forget(blobs_uri: str, url: str) -> bool:
    """Remove the answer for an address; False where there is none."""
    return store.remove(_uri(blobs_uri, url))


def _uri(blobs_uri: str, url: str) -> str:
    return store.join(blobs_uri, BY_URL, f"{key_of(url)}.json")
