"""Each candidate becomes one recording row with its end, and finished files are not fetched again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import audio, store, tables
from pipeline.audio import SAMPLE_RATE
from pipeline.errors import UserError
from pipeline.fetch.http import HttpOptions
from pipeline.fetch.stage import FetchConfig, fetch_stage
from pipeline.schema import CANDIDATE
from pipeline.stage import Context

FLAC = audio.to_flac(np.full(SAMPLE_RATE, 0.1, dtype=np.float32))
HTTP = HttpOptions(allow_private=True, delay_s=0.0, timeout_s=2.0)


def candidate(name: str, audio_url: str, text_url: str | None = None, **values: Any) -> dict[str, Any]:
    return (
        dict.fromkeys(CANDIDATE.names)
        | {"candidate_id": name, "audio_url": audio_url, "text_url": text_url, "status": "ok", "is_retryable": False}
        | values
    )


def fetch(root: Path, rows: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
    stage = fetch_stage(FetchConfig(http=HTTP, **options))
    inputs = {"candidate": tables.from_rows(rows, CANDIDATE)}
    outputs = stage.run(inputs, Context(blobs_uri=str(root), output_uris={}, input_fingerprints={}))
    stage.conserve(inputs, outputs)
    return outputs["recording"][0].to_pylist()


def test_every_candidate_has_one_row_that_says_how_it_ended(web, tmp_path: Path) -> None:
    web.answers |= {
        "/a.flac": (200, {}, FLAC),
        "/a.vtt": (200, {}, b"WEBVTT"),
        "/page.mp3": (200, {}, b"<!DOCTYPE html>"),
        "/empty.mp3": (200, {}, b""),
    }
    rows = fetch(
        tmp_path,
        [
            candidate("good", f"{web.base}/a.flac", f"{web.base}/a.vtt"),
            candidate("no-caption", f"{web.base}/a.flac", f"{web.base}/gone.vtt"),
            candidate("page", f"{web.base}/page.mp3"),
            candidate("empty", f"{web.base}/empty.mp3"),
            candidate("gone", f"{web.base}/gone.mp3"),
            candidate("local", str(tmp_path / "none.wav")),
            candidate("unlisted", "", page_url="listing#line=3", status="bad_candidate"),
            candidate("refused", f"{web.base}/a.flac", opt_out_evidence="X-Robots-Tag: noai"),
        ],
    )
    ends = {row["candidate_id"]: (row["status"], row["text_status"]) for row in rows}
    assert ends == {
        "good": ("ok", "ok"),
        "no-caption": ("ok", "http_404"),
        "page": ("undecodable", "absent"),
        "empty": ("undecodable", "absent"),
        "gone": ("http_404", "absent"),
        "local": ("missing_file", "absent"),
        "unlisted": ("bad_candidate", "absent"),
        "refused": ("opted_out", "absent"),
    }
    assert len({row["recording_id"] for row in rows}) == len(rows)
    good = rows[0]
    assert (good["duration_ms"], good["container"], good["channels"]) == (1000, "flac", 1)
    assert store.read_bytes(store.blob_uri(str(tmp_path), good["sha256"])) == FLAC


def test_a_finished_file_is_not_fetched_again_unless_asked(web, tmp_path: Path) -> None:
    web.answers["/a.flac"] = (200, {}, FLAC)
    rows = [candidate("good", f"{web.base}/a.flac")]
    first, second = fetch(tmp_path, rows), fetch(tmp_path, rows)
    assert web.log.count("/a.flac") == 1
    assert first[0]["sha256"] == second[0]["sha256"]
    fetch(tmp_path, rows, refresh="again")
    assert web.log.count("/a.flac") == 2
    fetch(tmp_path, [rows[0] | {"validator": "new checksum"}])
    assert web.log.count("/a.flac") == 3


def test_nobody_is_fetched_from_without_a_contact(tmp_path: Path) -> None:
    stage = fetch_stage(FetchConfig(http=HttpOptions(pins={"mine.test": "127.0.0.1:1"})))
    rows = [candidate("mine", "http://mine.test/a"), candidate("theirs", "http://theirs.test/a")]
    context = Context(blobs_uri=str(tmp_path), output_uris={}, input_fingerprints={})
    with pytest.raises(UserError, match="host 'theirs.test' would be fetched from without a contact"):
        stage.run({"candidate": tables.from_rows(rows, CANDIDATE)}, context)


def test_what_may_pass_is_fetched_again(web, tmp_path: Path) -> None:
    web.answers["/a.flac"] = (503, {}, b"")
    assert fetch(tmp_path, [candidate("good", f"{web.base}/a.flac")])[0]["is_retryable"]
    web.answers["/a.flac"] = (200, {}, FLAC)
    assert fetch(tmp_path, [candidate("good", f"{web.base}/a.flac")])[0]["status"] == "ok"


@pytest.mark.parametrize(("setting", "changes"), [({"refresh": "x"}, True), ({"decode_timeout_s": 1.0}, False)])
def test_only_settings_that_change_the_bytes_change_the_fingerprint(setting: dict[str, Any], changes: bool) -> None:
    one, other = (fetch_stage(FetchConfig(http=HTTP, **values)).outputs[0].config for values in ({}, setting))
    assert (one != other) == changes
    slower = HttpOptions(delay_s=9.0, pins={"a": "127.0.0.1:1"})
    assert fetch_stage(FetchConfig(http=slower)).outputs[0].config == one
