"""Each candidate becomes one recording row with its end, and finished files are not fetched again."""

from __future__ import annotations

import base64
import hashlib
import threading
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
        "/noise.mp3": (200, {}, b"\0" * 5000),
        "/empty.mp3": (200, {}, b""),
    }
    rows = fetch(
        tmp_path,
        [
            candidate("good", f"{web.base}/a.flac", f"{web.base}/a.vtt"),
            candidate("no-caption", f"{web.base}/a.flac", f"{web.base}/gone.vtt"),
            candidate("page", f"{web.base}/page.mp3"),
            candidate("noise", f"{web.base}/noise.mp3"),
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
        "page": ("wrong_content", "absent"),
        "noise": ("undecodable", "absent"),
        "empty": ("empty", "absent"),
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
    assert first == second
    fetch(tmp_path, rows, refresh="again")
    assert web.log.count("/a.flac") == 2
    fetch(tmp_path, [rows[0] | {"validator": "new checksum"}])
    assert web.log.count("/a.flac") == 3


def test_a_row_says_where_its_audio_came_from_and_by_whose_leave(web, tmp_path: Path) -> None:
    web.answers |= {
        "/robots.txt": (200, {}, b"User-agent: *\nAllow: /"),
        "/old": (302, {"Location": "/moved"}, b""),
        "/moved": (301, {"Location": "/a.flac"}, b""),
        "/a.flac": (200, {"ETag": '"1"', "Last-Modified": "yesterday", "Content-Type": "audio/flac"}, FLAC),
    }
    stated = {"text_kind": "auto", "text_kind_evidence": "kind=asr", "integrity": None, "license": "CC-BY-4.0"}
    [row] = fetch(tmp_path, [candidate("one", f"{web.base}/old", **stated)])
    expected = stated | {
        "final_url": f"{web.base}/a.flac",
        "redirects": [f"{web.base}/moved"],
        "http_status": 200,
        "etag": '"1"',
        "last_modified": "yesterday",
        "content_type": "audio/flac",
        "peer": web.base.removeprefix("http://"),
        "robots_verdict": "allowed",
        "robots_sha256": hashlib.sha256(b"User-agent: *\nAllow: /").hexdigest(),
        "user_agent": HTTP.user_agent,
        "audio_bytes": len(FLAC),
        "opt_out_evidence": None,
    }
    assert {name: row[name] for name in expected} == expected
    assert 0 <= row["fetched_ms"] - row["robots_checked_ms"] < 60_000


def test_a_refusal_met_on_the_way_joins_those_the_source_knew(web, tmp_path: Path) -> None:
    web.answers |= {"/a.flac": (200, {"X-Robots-Tag": "noai"}, FLAC), "/a.vtt": (200, {}, b"WEBVTT")}
    rows = fetch(
        tmp_path,
        [
            candidate("met", f"{web.base}/a.flac", f"{web.base}/a.vtt"),
            candidate("known", f"{web.base}/b.flac", opt_out_evidence="feed: <itunes:block>yes</itunes:block>"),
        ],
    )
    assert [row["status"] for row in rows] == ["opted_out", "opted_out"]
    assert rows[0]["opt_out_evidence"] == "X-Robots-Tag: noai"
    assert rows[1]["opt_out_evidence"] == "feed: <itunes:block>yes</itunes:block>"
    assert web.asked == ["/a.flac"]


def test_audio_with_captions_in_several_languages_is_fetched_and_decoded_once(web, tmp_path: Path) -> None:
    web.answers |= {"/a.flac": (200, {}, FLAC), "/en.vtt": (200, {}, b"WEBVTT"), "/sw.vtt": (200, {}, b"WEBVTT\n")}
    captions = [candidate(lang, f"{web.base}/a.flac", f"{web.base}/{lang}.vtt") for lang in ("en", "sw")]
    rows = fetch(tmp_path, captions)
    assert [row["status"] for row in rows] == ["ok", "ok"]
    assert sorted(web.asked) == ["/a.flac", "/en.vtt", "/sw.vtt"]
    assert len(list(tmp_path.glob("decoded/*.json"))) == 1


def test_a_checksum_the_source_declares_is_checked(web, tmp_path: Path) -> None:
    web.answers["/a.flac"] = (200, {}, FLAC)
    good = "sha256-" + base64.b64encode(hashlib.sha256(FLAC).digest()).decode()
    bad = good.replace("sha256-", "sha384-")
    rows = [candidate(name, f"{web.base}/a.flac", integrity=name) for name in (good, bad, f"md5-x {good}?ct=audio")]
    assert [row["status"] for row in fetch(tmp_path, rows)] == ["ok", "bad_integrity", "ok"]


def test_a_place_on_the_web_names_no_file_of_ours(tmp_path: Path) -> None:
    (tmp_path / "secret.flac").write_bytes(FLAC)
    path = str(tmp_path / "secret.flac")
    rows = [
        candidate("page", path, page_url="https://a.test/page"),
        candidate("seed", path, page_url="x", seed_url="http://a.test/feed"),
        candidate("local", path, path, page_url=str(tmp_path)),
    ]
    ends = [(row["status"], row["text_status"]) for row in fetch(tmp_path, rows)]
    assert ends == [("bad_url", "absent"), ("bad_url", "absent"), ("ok", "ok")]


def test_several_sites_are_fetched_from_at_once_and_each_in_its_own_order(web, tmp_path: Path) -> None:
    released = threading.Event()
    web.stalls["/slow.flac"] = released
    web.answers |= {
        "/slow.flac": (200, {"Content-Length": str(len(FLAC))}, FLAC[:-1]),
        "/last.flac": (200, {}, FLAC),
        "/other.flac": (200, {}, FLAC),
    }
    rows = [candidate("slow", f"{web.base}/slow.flac"), candidate("last", f"{web.base}/last.flac")]
    threading.Timer(0.5, released.set).start()
    fetch(tmp_path, [*rows, candidate("other", f"http://localhost:{web.base.rsplit(':', 1)[1]}/other.flac")])
    assert web.asked.index("/other.flac") < web.asked.index("/last.flac")


def test_nobody_is_fetched_from_without_a_contact(tmp_path: Path) -> None:
    stage = fetch_stage(FetchConfig(http=HttpOptions(pins={"mine.test": "127.0.0.1:1"})))
    rows = [candidate("mine", "http://mine.test/a"), candidate("theirs", "http://theirs.test/a")]
    context = Context(blobs_uri=str(tmp_path), output_uris={}, input_fingerprints={})
    with pytest.raises(UserError, match="host 'theirs.test' would be fetched from without a contact"):
        stage.run({"candidate": tables.from_rows(rows, CANDIDATE)}, context)


def test_what_may_pass_is_fetched_again_when_asked(web, tmp_path: Path) -> None:
    web.answers["/a.flac"] = (503, {}, b"")
    rows = [candidate("good", f"{web.base}/a.flac")]
    assert fetch(tmp_path, rows)[0]["is_retryable"]
    web.answers["/a.flac"] = (200, {}, FLAC)
    assert fetch(tmp_path, rows)[0]["status"] == "http_503"
    assert fetch(tmp_path, rows, retry="now")[0]["status"] == "ok"


@pytest.mark.parametrize(
    ("setting", "changes"), [({"refresh": "x"}, True), ({"retry": "x"}, True), ({"decode_timeout_s": 1.0}, False)]
)
def test_only_settings_that_change_the_bytes_change_the_fingerprint(setting: dict[str, Any], changes: bool) -> None:
    one, other = (fetch_stage(FetchConfig(http=HTTP, **values)).outputs[0].config for values in ({}, setting))
    assert (one != other) == changes
    slower = HttpOptions(delay_s=9.0, pins={"a": "127.0.0.1:1"})
    assert fetch_stage(FetchConfig(http=slower)).outputs[0].config == one
