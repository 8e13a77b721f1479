"""The ledger of the last ingest: where it lies, and its counts in one line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from pipeline import artifact, store
from pipeline.artifact import Artifact
from pipeline.errors import UserError
from pipeline.ledger.stage import FAILED
from pipeline.schema import STATES

LATEST = ("latest", "ledger.json")
RETRYABLE, GONE = "failed again", "no longer listed"
REPORT = ("latest", "report.json")


def publish_ledger(data_root: str, ledger: Artifact) -> str:
    """Point `latest` at the ledger with its counts, and return them as a line."""
    manifest = artifact.read_manifest(ledger)
    states = {state: int(manifest["counts"].get(f"state:{state}", 0)) for state in STATES}
    num_retryable = int(manifest["counts"].get("is_retryable:True", 0))
    summary = {
        "fingerprint": ledger.fingerprint,
        "ledger_uri": ledger.uri,
        "num_candidates": manifest["rows"],
        "states": states,
        "num_retryable": num_retryable,
    }
    store.publish(store.join(data_root, *LATEST), json.dumps(summary, indent=1).encode())
    counts = [f"{number:,} {state.replace('_', ' ')}" for state, number in states.items()]
    counts[STATES.index(FAILED)] += f" ({num_retryable:,} retryable)" if num_retryable else ""
    return f"ledger  {manifest['rows']:,} candidates = {' + '.join(counts)}"


def has_finished(data_root: str) -> bool:
    """Tell whether an ingest of this data root has finished."""
    return store.exists(store.join(data_root, *REPORT))


def latest_artifacts(data_root: str) -> dict[str, Artifact]:
    """Return the artifacts of the last finished ingest by name; UserError when there is none."""
    if not has_finished(data_root):
        raise UserError(
            f"data_root {data_root!r} holds no finished ingest; expected one; run make ingest first, or give data_root="
        )
    pointer = json.loads(store.read_bytes(store.join(data_root, *REPORT)))
    made = cast(dict[str, Any], pointer)["artifacts"]
    root_uri = store.join(data_root, "artifacts")
    return {name: Artifact(root_uri=root_uri, name=name, fingerprint=value) for name, value in made.items()}


def latest_states(data_root: str) -> dict[str, str]:
    """Return the candidates of the last finished ingest with their states; RETRYABLE for what may be asked again."""
    if not has_finished(data_root):
        return {}
    ledger = latest_artifacts(data_root)["ledger"]
    states: dict[str, str] = {}
    for number in range(artifact.num_parts(ledger)):
        for row in artifact.read_part(ledger, number, ("candidate_id", "state", "is_retryable")).to_pylist():
            states[row["candidate_id"]] = RETRYABLE if row["is_retryable"] else row["state"]
    return states


def describe_change(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Say what became of what had failed and was asked again, and what is new or gone."""
    retried = [name for name, state in before.items() if state == RETRYABLE]
    ends = Counter(after.get(name, GONE) for name in retried)
    num_mended = len(retried) - ends[RETRYABLE] - ends[FAILED]
    counts = ", ".join(f"{number:,} {state}" for state, number in sorted(ends.items()))
    num_new, num_gone = len(after.keys() - before.keys()), len(before.keys() - after.keys())
    return (
        f"asked again for {len(retried):,} that had failed: {num_mended:,} mended{f' ({counts})' if counts else ''}; "
        f"{num_new:,} candidates are new, {num_gone:,} are no longer listed"
    )
