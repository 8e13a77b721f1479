"""What decoding a blob has shown, remembered by content: `decoded/<sha256>.json` beside the blobs.

The same bytes are decoded once, whatever address, run or recrawl they come from.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from pipeline import decoder, store
from pipeline.audio import DecodeError

FOLDER = "decoded"
VERSION = 1  # raise it when the decoder gives something else for the same bytes
TOO_LONG = "audio is longer than"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the samples say of a recording; `status` other than 'ok' says why there are none."""

    status: str = "ok"
    detail: str | None = None
    pcm_sha256: str | None = None
    container: str | None = None
    codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much decoding may take; what failed under other limits is tried again."""

    max_duration_ms: int
    timeout_s: float


def decode_once(blobs_uri: str, sha256: str, limits: Limits) -> Facts:
    """Decode a blob in the decoder's child, unless that was done before."""
    uri = store.join(blobs_uri, FOLDER, f"{sha256}.json")
    remembered = _remembered(uri, limits)
    if remembered is not None:
        return remembered
    facts = _decode(_whole(blobs_uri, sha256), limits)
    note = {"version": VERSION, "limits": asdict(limits), "facts": asdict(facts)}
    store.publish(uri, json.dumps(note, ensure_ascii=False).encode())
    return facts


def _whole(blobs_uri: str, sha256: str) -> bytes:
    """Read a blob and see that it is what its name says: a power cut may have kept the name and not the bytes."""
    uri = store.blob_uri(blobs_uri, sha256)
    data = store.read_bytes(uri)
    if hashlib.sha256(data).hexdigest() != sha256:
        store.remove(uri)
        raise OSError(
            f"blob {sha256} was damaged; expected its own hash; it is removed, and fetched by the next attempt"
        )
    store.sync(uri)
    return data


def _remembered(uri: str, limits: Limits) -> Facts | None:
    try:
        note = json.loads(store.read_bytes(uri))
        facts = Facts(**note["facts"])
        is_same = note["version"] == VERSION and note["limits"] == asdict(limits)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    # A whole decoding holds under any limits it fits in.
    fits = note["version"] == VERSION and (facts.duration_ms or 0) <= limits.max_duration_ms
    return facts if is_same or (facts.status == "ok" and fits) else None


def _decode(data: bytes, limits: Limits) -> Facts:
    try:
        decoded = decoder.decode(data, limits.max_duration_ms, limits.timeout_s)
    except DecodeError as error:
        status = "too_long" if str(error).startswith(TOO_LONG) else "undecodable"
        return Facts(status=status, detail=str(error))
    return Facts(
        pcm_sha256=decoded.pcm_sha256,
        container=decoded.container,
        codec=decoded.codec,
        sample_rate=decoded.sample_rate,
        channels=decoded.channels,
        duration_ms=decoded.duration_ms,
    )
