"""The ledger: one row for each candidate, with its final state and why. Nothing that was ever listed is missing.

    taken_down   a take-down list names it, its host or its bytes
    opted_out    its owner refuses: an opt-out signal, robots.txt, or a host that turned us away
    failed       it could not be had, decoded or read; retryable where the same request may succeed later
    rejected     it was had, and no window of it was kept
    accepted     at least one window was kept

An earlier state wins over a later one. A robots.txt that cannot be read is a failure, not a refusal: it is asked again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline import tables
from pipeline.hosts import host_of
from pipeline.redact import public_url
from pipeline.schema import LEDGER, STATES
from pipeline.stage import Context, Output, Stage, Tables
from pipeline.takedown import TAKEN_DOWN

Row = dict[str, Any]
ACCEPTED, REJECTED, FAILED, OPTED_OUT, _ = STATES
KEPT = "kept"
REFUSALS = frozenset({"opted_out", "robots", "host_refused"})  # statuses by which an owner says no
POLICIES = frozenset({"no_audio", "over_limit", "too_large", "too_long"})  # statuses by which our own limits say no


_CARRIED = ("status", "text_status", "license", "duration_ms")


def ledger_stage() -> Stage:
    """Build the stage that closes the books on every candidate."""
    return Stage(
        name="ledger",
        reads={
            "candidate": ("candidate_id", "source", "page_url", "audio_url"),
            "recording": (
                "recording_id",
                "candidate_id",
                *_CARRIED,
                "status_detail",
                "is_retryable",
                "opt_out_evidence",
            ),
            "tombstone": ("recording_id", "entry"),
            "decision": ("recording_id", "duration_ms", "kept", "reason"),
        },
        outputs=(Output(name="ledger", schema=LEDGER, version=1, count_by=("state", "is_retryable")),),
        run=close_books,
        conserve=_adds_up,
    )


def close_books(inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
    """Write the row of each candidate of a part."""
    windows: dict[str, list[Row]] = defaultdict(list)
    for row in inputs["decision"].to_pylist():
        windows[row["recording_id"]].append(row)
    candidates, recordings, tombstones = (inputs[name].to_pylist() for name in ("candidate", "recording", "tombstone"))
    rows = [
        _row(candidate, recording, tombstone["entry"], windows[recording["recording_id"]])
        for candidate, recording, tombstone in zip(candidates, recordings, tombstones, strict=True)
    ]
    return {"ledger": [tables.from_rows(rows, LEDGER)]}


def _row(candidate: Row, recording: Row, entry: str | None, windows: list[Row]) -> Row:
    kept = [row for row in windows if row["kept"]]
    state, reason = _verdict(recording, entry, windows)
    asked = candidate["audio_url"] or candidate["page_url"]
    return {
        "candidate_id": candidate["candidate_id"],
        "recording_id": recording["recording_id"],
        "source": candidate["source"],
        "host": host_of(asked) or None,
        "page_url": public_url(candidate["page_url"]),
        "audio_url": public_url(candidate["audio_url"]),
        "state": state,
        "reason": reason,
        "is_retryable": state == FAILED and bool(recording["is_retryable"]),
        **{name: recording[name] for name in _CARRIED},
        "kept_ms": sum(row["duration_ms"] for row in kept),
        "num_windows": len(windows),
        "num_kept": len(kept),
    }


def _verdict(recording: Row, entry: str | None, windows: list[Row]) -> tuple[str, str]:
    """Return the state and its reason: an entry or signal verbatim, a status, or the windows' commonest reason."""
    status, signal = recording["status"], recording["opt_out_evidence"]
    if entry or status == TAKEN_DOWN:
        return TAKEN_DOWN, entry or recording["status_detail"] or TAKEN_DOWN
    if signal or status in REFUSALS:
        return OPTED_OUT, (signal or "").partition("\n")[0] or status
    if status != "ok":
        return (REJECTED if status in POLICIES else FAILED), status
    if any(row["kept"] for row in windows):
        return ACCEPTED, KEPT
    counts = Counter(row["reason"] for row in windows)
    reason = min(counts, key=lambda name: (-counts[name], name))
    return (TAKEN_DOWN if reason == TAKEN_DOWN else REJECTED), reason


def _adds_up(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    """Check that each candidate has its row, in a known state, and each window of the decision is in one of them."""
    [ledger] = outputs["ledger"]
    assert ledger["candidate_id"].to_pylist() == inputs["candidate"]["candidate_id"].to_pylist(), "a candidate is lost"
    assert ledger["candidate_id"].to_pylist() == inputs["recording"]["candidate_id"].to_pylist(), "parts do not match"
    assert set(ledger["state"].to_pylist()) <= set(STATES), "a candidate has no known state"
    kept = inputs["decision"]["kept"].to_pylist()
    counted = sum(ledger["num_windows"].to_pylist()), sum(ledger["num_kept"].to_pylist())
    assert counted == (len(kept), sum(kept)), "the ledger does not count every window once"
