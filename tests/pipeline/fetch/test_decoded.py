"""The same bytes are decoded once, and what failed for want of room or time is tried again with more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import audio, decoder, store
from pipeline.audio import SAMPLE_RATE, Decoded
from pipeline.fetch.decoded import Limits, decode_once

FLAC = audio.to_flac(np.full(SAMPLE_RATE, 0.1, dtype=np.float32))
LIMITS = Limits(max_duration_ms=60_000, timeout_s=60.0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Decode in this process, and count."""
    made: list[int] = []

    def decode(data: bytes, max_duration_ms: int, timeout_s: float) -> Decoded:
        made.append(len(data))
        return audio.decode_bytes(data, max_duration_ms)

    monkeypatch.setattr(decoder, "decode", decode)
    return made


def test_a_blob_is_decoded_once_whatever_more_is_allowed(calls: list[int], tmp_path: Path) -> None:
    sha256 = store.put_blob(str(tmp_path), FLAC)
    first = decode_once(str(tmp_path), sha256, LIMITS)
    assert (first.status, first.duration_ms, first.container) == ("ok", 1000, "flac")
    assert decode_once(str(tmp_path), sha256, Limits(max_duration_ms=1000, timeout_s=1.0)) == first
    assert len(calls) == 1


def test_what_is_too_long_is_tried_again_when_more_is_allowed(calls: list[int], tmp_path: Path) -> None:
    sha256 = store.put_blob(str(tmp_path), FLAC)
    short = Limits(max_duration_ms=500, timeout_s=60.0)
    assert [decode_once(str(tmp_path), sha256, short).status for _ in range(2)] == ["too_long"] * 2
    assert decode_once(str(tmp_path), sha256, LIMITS).status == "ok"
    assert decode_once(str(tmp_path), sha256, short).status == "too_long"
    assert len(calls) == 3


def test_what_does_not_decode_says_why_each_time(calls: list[int], tmp_path: Path) -> None:
    sha256 = store.put_blob(str(tmp_path), b"fLaC" + bytes(100))
    first, second = (decode_once(str(tmp_path), sha256, LIMITS) for _ in range(2))
    assert first == second
    assert (first.status, first.duration_ms, len(calls)) == ("undecodable", None, 1)
    assert first.detail


def test_a_blob_that_is_not_what_its_name_says_is_removed_and_the_unit_tried_again(tmp_path: Path) -> None:
    sha256 = store.put_blob(str(tmp_path), FLAC)
    place = Path(store.blob_uri(str(tmp_path), sha256))
    place.write_bytes(bytes(len(FLAC)))
    with pytest.raises(OSError, match=f"blob {sha256} was damaged; expected its own hash; it is removed"):
        decode_once(str(tmp_path), sha256, LIMITS)
    assert not place.exists()
