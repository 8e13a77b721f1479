"""What a report is made from: the tables of one run, and what to show beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline import tables
from pipeline.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A rule's limits on a measured column, to be drawn: `keep` holds min, max or equals."""

    reason: str
    column: str
    keep: Mapping[str, Any]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTables:
    """Whole tables of one run, segments in one order everywhere.

    `labels` (audio_url, defect, expected, and duplicate_of where known) exists where the truth is known; the report
    measures with it, nothing is decided by it. `settings` are names and values to print: source, fingerprints, limits.
    """

    candidate: pa.Table
    recording: pa.Table
    segment: pa.Table
    families: Mapping[str, pa.Table]
    cluster: pa.Table
    decision: pa.Table
    shard_index: pa.Table
    labels: pa.Table | None = None
    thresholds: Sequence[Threshold] = ()
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    def windows(self) -> pa.Table:
        """Return segment, decision and cluster side by side; DataError when they are not of one run."""
        if self.recording.num_rows != self.candidate.num_rows:
            raise DataError(
                f"report has {self.candidate.num_rows} candidates and {self.recording.num_rows} recordings; "
                "expected one recording for each candidate; give the tables of one run"
            )
        return tables.zip_columns(self.segment, self.decision, self.cluster)
