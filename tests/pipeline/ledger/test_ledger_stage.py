"""Every candidate has one row with one state, and an earlier state wins over a later one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from pipeline import tables
from pipeline.ledger.stage import close_books, ledger_stage
from pipeline.schema import CANDIDATE, DECISION, RECORDING, TOMBSTONE
from pipeline.stage import Context

CONTEXT = Context(blobs_uri="", output_uris={}, input_fingerprints={})
Row = dict[str, Any]


def made(
    recording: Row | None = None, reasons: tuple[str, ...] = (), entry: str | None = None, **candidate: Any
) -> dict[str, pa.Table]:
    """One candidate, its recording, and a window of a second for each reason."""
    asked = {"candidate_id": "c", "source": "s", "page_url": "http://p.test/", "audio_url": "http://a.test/1.mp3"}
    facts = {"recording_id": "r", "candidate_id": "c", "status": "ok", "text_status": "ok", "duration_ms": 9000}
    windows = [
        {"segment_id": f"r:{number}", "recording_id": "r", "duration_ms": 1000, "kept": reason == "kept"}
        | {"reason": reason}
        for number, reason in enumerate(reasons)
    ]
    rows = {
        "candidate": ([asked | candidate], CANDIDATE),
        "recording": ([facts | (recording or {})], RECORDING),
        "tombstone": ([{"recording_id": "r", "entry": entry, "segment_ids": []}], TOMBSTONE),
        "decision": (windows, DECISION),
    }
    return {
        name: tables.from_rows([dict.fromkeys(schema.names) | row for row in items], schema)
        for name, (items, schema) in rows.items()
    }


def row(inputs: dict[str, pa.Table]) -> Row:
    outputs = close_books(inputs, CONTEXT)
    ledger_stage().conserve(inputs, outputs)
    [found] = outputs["ledger"][0].to_pylist()
    return found


@pytest.mark.parametrize(
    ("recording", "reasons", "entry", "verdict"),
    [
        ({}, ("silence", "kept", "silence"), None, ("accepted", "kept")),
        ({}, ("silence", "late", "late"), None, ("rejected", "late")),
        ({}, ("silence", "late"), None, ("rejected", "late")),
        ({"status": "too_long"}, (), None, ("rejected", "too_long")),
        ({"status": "no_audio"}, (), None, ("rejected", "no_audio")),
        ({"status": "http_404"}, (), None, ("failed", "http_404")),
        ({"status": "undecodable"}, (), None, ("failed", "undecodable")),
        ({"status": "robots_unreachable"}, (), None, ("failed", "robots_unreachable")),
        ({"status": "robots"}, (), None, ("opted_out", "robots")),
        ({"status": "host_refused"}, (), None, ("opted_out", "host_refused")),
        ({"status": "opted_out", "opt_out_evidence": "X-Robots-Tag: noai\n<meta>"}, (), None,
         ("opted_out", "X-Robots-Tag: noai")),
        ({"opt_out_evidence": "TDM-Reservation: 1"}, ("kept",), None, ("opted_out", "TDM-Reservation: 1")),
        ({"opt_out_evidence": "TDM-Reservation: 1"}, (), "host: a.test", ("taken_down", "host: a.test")),
        ({"status": "taken_down", "status_detail": "candidate: c"}, (), None, ("taken_down", "candidate: c")),
        ({}, ("taken_down", "taken_down", "silence"), None, ("taken_down", "taken_down")),
    ],
)  # fmt: skip
def test_a_state_and_its_reason(
    recording: Row, reasons: tuple[str, ...], entry: str | None, verdict: tuple[str, str]
) -> None:
    found = row(made(recording, reasons, entry))
    assert (found["state"], found["reason"]) == verdict


def test_windows_and_kept_audio_are_counted() -> None:
    found = row(made({}, ("kept", "silence", "kept")))
    assert (found["num_windows"], found["num_kept"], found["kept_ms"], found["duration_ms"]) == (3, 2, 2000, 9000)


def test_only_a_failure_is_retryable() -> None:
    assert row(made({"status": "timeout", "is_retryable": True}))["is_retryable"]
    assert not row(made({"status": "robots", "is_retryable": True}))["is_retryable"]


def test_a_place_without_audio_has_its_own_host_and_credentials_are_left_out() -> None:
    found = row(made({"status": "http_500"}, audio_url="", page_url="https://me:pw@feeds.test/rss?token=1"))
    assert (found["host"], found["page_url"], found["audio_url"]) == ("feeds.test", "https://feeds.test/rss", "")
    assert row(made(audio_url="/talks/1.mp3", page_url="/talks", reasons=("kept",)))["host"] is None


def test_a_lost_candidate_or_window_is_noticed() -> None:
    inputs = made({}, ("kept", "kept"))
    outputs = close_books(inputs, CONTEXT)
    with pytest.raises(AssertionError, match="a candidate is lost"):
        ledger_stage().conserve(inputs, {"ledger": [outputs["ledger"][0].slice(1)]})
    foreign = inputs["decision"].set_column(1, "recording_id", pa.array(["r", "other"]))
    with pytest.raises(AssertionError, match="does not count every window once"):
        ledger_stage().conserve(inputs, close_books(inputs | {"decision": foreign}, CONTEXT))
