"""Only rows that could have gone well count as errors: those that came in good and were not refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.running.executor import SerialExecutor
from jobs.running.flow import Flow
from pipeline.errors import DataError
from pipeline.stage import Context, Output, Stage, Tables

ROWS = pa.schema([("status", pa.string())])


@dataclass(frozen=True)
class Give:
    """A stage that gives the same statuses whatever it is given."""

    name: str
    statuses: tuple[str, ...]

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        return {self.name: [pa.table({"status": list(self.statuses)}, schema=ROWS)]}


def run(root: Path, given: Sequence[str], fetched: Sequence[str], max_error_rate: float) -> None:
    def stage(name: str, reads: str, statuses: Sequence[str]) -> Stage:
        output = Output(name=name, schema=ROWS, version=1, count_by=("status",))
        return Stage(
            name=name,
            reads={reads: None},
            outputs=(output,),
            run=Give(name, tuple(statuses)),
            conserve=lambda *_: None,
            max_error_rate=max_error_rate if name == "fetched" else 1.0,
            ok_count="status:ok" if name == "fetched" else "",
            refused_counts=("status:opted_out", "status:robots") if name == "fetched" else (),
        )

    flow = Flow(
        root_uri=str(root / "artifacts"),
        blobs_uri=str(root / "blobs"),
        executor=SerialExecutor(),
        progress=lambda *_: None,
    )
    seeds = {"seed": flow.publish_source("seed", [pa.table({"status": ["ok"]}, schema=ROWS)])}
    flow.run([stage("given", "seed", given), stage("fetched", "given", fetched)], seeds)


GIVEN = ("ok", "ok", "ok", "ok", "robots", "no_audio", "no_audio")


def test_refusals_and_rows_without_audio_are_no_errors(tmp_path: Path) -> None:
    run(tmp_path, GIVEN, ("ok", "http_404", "opted_out", "robots", "robots", "no_audio", "no_audio"), 0.5)


def test_more_errors_than_allowed_among_the_others_stop_the_flow(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"stage 'fetched' failed for 1 of 2 rows .* expected at most 40%"):
        run(tmp_path, GIVEN, ("ok", "http_404", "opted_out", "robots", "robots", "no_audio", "no_audio"), 0.4)


def test_nothing_but_refusals_is_no_error(tmp_path: Path) -> None:
    run(tmp_path, ("ok", "no_audio"), ("opted_out", "no_audio"), 0.0)
