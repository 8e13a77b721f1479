from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from pipeline.errors import DataError
from pipeline.report.counts import Cell, Tally, crosstab, tally
from pipeline.report.summary import Shards, Summary, summarise
from tests.pipeline.report.run import nothing, tables_of_run, without


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarise(tables_of_run())


def _line(name: str, num: int, seconds: int) -> Tally:
    return Tally(name=name, num=num, duration_ms=seconds * 1000)


def test_every_candidate_is_kept_rejected_or_failed(summary: Summary) -> None:
    assert summary.num_candidates == 4
    assert summary.outcomes == (_line("kept", 1, 70), _line("rejected", 2, 50), _line("failed", 1, 0))
    assert summary.statuses == (_line("ok", 3, 120), _line("http_404", 1, 0))


def test_every_second_of_audio_is_kept_rejected_or_between_windows(summary: Summary) -> None:
    assert summary.audio == _line("audio", 3, 120)
    assert summary.kept == _line("kept", 3, 65)
    assert summary.between_ms == 7_000
    first = {reason.name: reason.first.duration_ms for reason in summary.reasons}
    assert first == {"duplicate:exact_audio": 20_000, "repeated_lines": 18_000, "fast": 10_000}
    assert 65_000 + 7_000 + sum(first.values()) == 120_000


def test_kept_windows_are_counted_by_kind(summary: Summary) -> None:
    assert summary.kinds == (_line("transcribe", 1, 30), _line("translate", 1, 20), _line("no_speech", 1, 15))


def test_a_reason_says_where_it_comes_first_where_it_stands_and_where_it_is_alone(summary: Summary) -> None:
    reasons = {reason.name: reason for reason in summary.reasons}
    fast = reasons["fast"]
    assert (fast.first, fast.any, fast.alone) == (_line("fast", 1, 10), _line("fast", 2, 20), _line("fast", 0, 0))
    repeated = reasons["repeated_lines"]
    assert (repeated.any, repeated.alone) == (_line("repeated_lines", 2, 18), _line("repeated_lines", 1, 8))
    assert list(reasons) == ["duplicate:exact_audio", "repeated_lines", "fast"]


def test_a_reason_that_never_comes_first_is_listed_too() -> None:
    inputs = tables_of_run()
    rows = inputs.decision.to_pylist()
    rows[3]["reasons"] = ["repeated_lines", "late"]
    summary = summarise(replace(inputs, decision=pa.Table.from_pylist(rows, schema=inputs.decision.schema)))
    late = summary.reasons[-1]
    assert (late.name, late.first.num, late.any.num) == ("late", 0, 1)


def test_hours_are_counted_by_language_split_and_reason(summary: Summary) -> None:
    assert Cell(row="sw", column="rejected", num=2, duration_ms=30_000) in summary.by_language
    assert Cell(row="sw", column="translate", num=1, duration_ms=20_000) in summary.by_language
    assert Cell(row="train", column="no_speech", num=1, duration_ms=15_000) in summary.by_split
    assert Cell(row="fast", column="sw", num=1, duration_ms=10_000) in summary.reasons_by_language
    assert sum(cell.duration_ms for cell in summary.by_language) == summary.windows.duration_ms == 113_000
    assert sum(cell.duration_ms for cell in summary.by_source) == 113_000


def test_repeats_are_recordings_and_representatives_are_none(summary: Summary) -> None:
    assert summary.duplicates == (_line("exact_audio", 1, 30),)


def test_recordings_that_hold_part_of_an_evaluation_set_are_counted_by_set(summary: Summary) -> None:
    assert summary.contaminated == (_line("fleurs", 1, 30),)


def test_captions_are_counted_by_recording(summary: Summary) -> None:
    assert summary.captions == (_line("ok", 3, 120),)


def test_shards_are_added_up(summary: Summary) -> None:
    assert summary.shards == Shards(num_shards=1, num_samples=3, num_bytes=1_500_000, duration_ms=65_000)


def test_examples_of_a_reason_come_from_different_recordings(summary: Summary) -> None:
    [example] = next(reason.examples for reason in summary.reasons if reason.name == "repeated_lines")
    assert (example.segment_id, example.start_ms) == ("loop:0", 0)


def test_failures_are_listed_with_what_the_server_said(summary: Summary) -> None:
    [failure] = summary.failures
    assert failure.status == "http_404" and "onerror" in failure.detail


def test_a_run_that_found_nothing_is_a_summary_of_nothing() -> None:
    summary = summarise(nothing())
    assert (summary.num_candidates, summary.audio.duration_ms, summary.reasons) == (0, 0, ())


@pytest.mark.parametrize(
    ("name", "row", "complaint"),
    [
        ("candidate", 0, "3 candidates and 4 recordings"),
        ("decision", 2, "do not describe the same segments"),
        ("cluster", 6, "do not describe the same segments"),
    ],
)
def test_tables_of_different_runs_are_refused(name: str, row: int, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        summarise(without(tables_of_run(), name, row))


def test_windows_of_lost_recordings_are_refused() -> None:
    inputs = without(without(tables_of_run(), "recording", 0), "candidate", 0)
    with pytest.raises(DataError, match="63000 ms more windows than audio"):
        summarise(inputs)


def test_a_first_reason_that_is_none_of_the_reasons_is_refused() -> None:
    inputs = tables_of_run()
    rows = inputs.decision.to_pylist()
    rows[3]["reason"] = "ghost"
    with pytest.raises(DataError, match="report counts 6 windows kept and rejected; expected 7"):
        summarise(replace(inputs, decision=pa.Table.from_pylist(rows, schema=inputs.decision.schema)))


def test_null_is_counted_as_unknown() -> None:
    table = pa.table({"kind": ["a", None], "duration_ms": pa.array([None, 5], pa.int64())})
    assert tally(table, "kind") == (
        Tally(name="unknown", num=1, duration_ms=5),
        Tally(name="a", num=1, duration_ms=0),
    )
    assert [cell.row for cell in crosstab(table, "kind", "kind")] == ["a", "unknown"]
