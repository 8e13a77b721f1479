"""What a report is made from: the tables of one run, a part at a time, and what to show beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline import artifact, tables
from pipeline.artifact import Artifact
from pipeline.errors import DataError
from pipeline.schema import TABLES

# What is read of each table; None: everything.
COLUMNS: dict[str, tuple[str, ...] | None] = {
    "candidate": ("candidate_id", "seed_url"),
    "recording": (
        *("recording_id", "source", "status", "status_detail", "is_retryable", "page_url", "audio_url", "title"),
        *("declared_lang", "license", "license_url", "opt_out_evidence", "robots_verdict", "sha256", "duration_ms"),
    ),
    "segment": (
        *("segment_id", "recording_id", "source", "start_ms", "end_ms", "text", "cues", "prev_segment_id"),
        *("declared_lang", "caption_status"),
    ),
    "cluster": None,
    "decision": None,
    "ledger": None,
}
INDEX_COLUMNS = ("split", "kind", "lang", "is_synthetic", "num_samples", "bytes", "duration_ms")
NOT_MEASURED = frozenset({"spoken", "sound_print"})  # families that hold vectors, for other stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A rule's limits on a measured column, to be drawn: `keep` holds min, max or equals."""

    reason: str
    column: str
    keep: Mapping[str, Any]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Part i of every table: candidates, recordings and ledger row by row, windows in one order everywhere."""

    candidate: pa.Table
    recording: pa.Table
    ledger: pa.Table
    segment: pa.Table
    families: Mapping[str, pa.Table]
    cluster: pa.Table
    decision: pa.Table

    def windows(self) -> pa.Table:
        """Return segment, decision and cluster side by side; DataError when they are not of one run."""
        sizes = [table.num_rows for table in (self.candidate, self.recording, self.ledger)]
        if len(set(sizes)) > 1:
            raise DataError(
                f"report has {sizes[0]} candidates, {sizes[1]} recordings and {sizes[2]} rows of the ledger; "
                "expected one for each candidate; give the tables of one run"
            )
        for family in self.families.values():
            tables.zip_columns(self.segment.select(["segment_id"]), family.select(["segment_id"]))
        return tables.zip_columns(self.segment, self.decision, self.cluster)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, read a part at a time, as often as it takes.

    `read` gives part i of a table by its name. `labels` (audio_url, defect, expected, and duplicate_of where known)
    exists where the truth is known; the report measures with it, nothing is decided by it. `settings` are names and
    values to print: source, fingerprints, limits.
    """

    num_parts: int
    num_windows: int
    families: tuple[str, ...]
    read: Callable[[str, int], pa.Table]
    shard_index: pa.Table
    labels: pa.Table | None = None
    thresholds: Sequence[Threshold] = ()
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    def parts(self) -> Iterator[Part]:
        """Yield the parts in order."""
        for number in range(self.num_parts):
            yield Part(
                **{name: self.read(name, number) for name in COLUMNS},
                families={name: self.read(name, number) for name in self.families},
            )

    def recordings(self) -> Iterator[pa.Table]:
        """Yield the recordings of each part."""
        return (self.read("recording", number) for number in range(self.num_parts))


def open_run(
    made: Mapping[str, Artifact], thresholds: Sequence[Threshold], settings: Mapping[str, str], labels: pa.Table | None
) -> Run:
    """Open the artifacts of a run."""
    others = (*COLUMNS, *NOT_MEASURED)
    families = (name for name in made if name in TABLES and name not in others and _is_family(TABLES[name]))
    return Run(
        num_parts=artifact.num_parts(made["segment"]),
        num_windows=artifact.read_manifest(made["segment"])["rows"],
        families=tuple(sorted(families)),
        read=lambda name, number: artifact.read_part(made[name], number, COLUMNS.get(name)),
        shard_index=artifact.read_all(made["shard_index"], INDEX_COLUMNS),
        labels=labels,
        thresholds=thresholds,
        settings=settings,
    )


def _is_family(columns: pa.Schema) -> bool:
    return columns.names[0] == "segment_id" and "shard_id" not in columns.names
