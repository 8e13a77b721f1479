from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.errors import DataError
from pipeline.ranking import Place
from pipeline.report.counts import OTHERS, Cell, Counts, Tally
from pipeline.report.plain import to_terminal
from pipeline.report.samples import WINDOWS_PER_GROUP
from pipeline.report.summary import Shards, Summary, summarise
from tests.pipeline.report.run import PAYLOAD, changed, nothing, run_of, tables_of_run, without


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarise(run_of(tables_of_run()))


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
    summary = summarise(run_of(changed(tables_of_run(), "decision", 3, reasons=["repeated_lines", "late"])))
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
    assert summary.shards == Shards(
        num_shards=1, num_samples=3, num_bytes=1_500_000, duration_ms=65_000, synthetic_ms=0
    )


def test_what_machines_spoke_is_told(summary: Summary) -> None:
    run = run_of(tables_of_run())
    index = run.shard_index.drop_columns(["is_synthetic"]).append_column("is_synthetic", [[True]])
    spoken = summarise(replace(run, shard_index=index))
    assert spoken.shards.synthetic_ms == 65_000
    assert "(1 tar, 3 samples, 1.1 min synthetic, 1.5 MB)" in to_terminal(spoken, "report", "shards")
    assert "synthetic" not in to_terminal(summary, "report", "shards")


def test_windows_are_drawn_for_each_reason_and_kind_each_of_another_recording(summary: Summary) -> None:
    drawn = {group: [window.segment_id for window in windows] for group, windows in summary.drawn.items()}
    assert drawn.keys() == {
        *("duplicate:exact_audio", "fast", "repeated_lines"),
        *("kept: no_speech", "kept: transcribe", "kept: translate"),
    }
    [loop] = summary.drawn["repeated_lines"]
    assert (loop.recording_id, loop.lang, loop.license) == ("loop", "en", PAYLOAD)


def test_what_rejects_a_window_comes_first_in_what_is_shown_of_it(summary: Summary) -> None:
    [window] = summary.drawn["fast"]
    assert [(item.column, item.value, item.is_beyond) for item in window.measured] == [("chars_per_s", 41.0, True)]


def test_what_was_taken_down_is_not_shown() -> None:
    tables = changed(tables_of_run(), "decision", 6, reason="taken_down", reasons=["taken_down"])
    assert "taken_down" not in summarise(run_of(tables)).drawn


def test_a_duplicate_comes_with_its_partner_and_their_likeness(summary: Summary) -> None:
    [pair] = summary.pairs
    assert (pair.method, pair.recording_id, pair.partner_url) == ("exact_audio", "same", "http://h/audio/good.mp3")
    assert pair.similarity == 0.98


def test_contamination_names_the_item(summary: Summary) -> None:
    assert [(row.eval_set, row.item) for row in summary.in_evals] == [("fleurs", PAYLOAD)]


def test_places_are_ranked_by_wrong_audio(summary: Summary) -> None:
    worst = summary.places[0]
    assert isinstance(worst, Place) and worst.error == pytest.approx(48 / 98)
    assert {place.level for place in summary.places} == {"source", "host", "feed"}


def test_texts_are_counted_by_author_and_by_language(summary: Summary) -> None:
    origins = {(cell.row, cell.column): cell.num for cell in summary.texts.origins}
    assert origins == {("sw", "human by its style"): 2, ("en", "said to be machine"): 1}
    assert [line.name for line in summary.texts.signs] == [PAYLOAD]
    assert {(cell.row, cell.column): cell.num for cell in summary.texts.heard} == {("sw", "sw"): 2, ("sw", "en"): 1}


def test_licences_and_refusals_are_counted_by_candidate(summary: Summary) -> None:
    assert {cell.column: (cell.num, cell.duration_ms) for cell in summary.rights.licenses} == {
        "accepted": (1, 65_000),
        "rejected": (2, 0),
        "opted_out": (1, 0),
    }
    assert [(cell.row, cell.column, cell.num) for cell in summary.rights.refusals] == [("opted_out", PAYLOAD, 1)]


def test_failures_are_listed_with_what_the_server_said(summary: Summary) -> None:
    [failure] = summary.failures
    assert failure.status == "http_404" and "onerror" in failure.detail


def test_a_run_that_found_nothing_is_a_summary_of_nothing() -> None:
    summary = summarise(run_of(nothing()))
    assert (summary.num_candidates, summary.audio.duration_ms, summary.reasons) == (0, 0, ())


def test_a_run_without_parts_is_a_summary_of_nothing() -> None:
    summary = summarise(run_of(nothing(), num_parts=0))
    assert (summary.num_candidates, summary.sample.num, summary.signals) == (0, 0, ())


def test_one_row_is_a_run_too() -> None:
    one = {name: table.slice(0, 1) for name, table in tables_of_run().items()}
    summary = summarise(run_of(one))
    assert (summary.num_candidates, summary.kept.num, summary.between_ms) == (1, 1, 40_000)


def test_a_hundred_thousand_windows_count_as_often_as_one_run_of_them() -> None:
    times = 14_300
    copies = pa.array([f"{number}-" for number in range(times)])

    def many(table: pa.Table) -> pa.Table:
        rows = np.tile(np.arange(table.num_rows), times)
        tiled = table.take(pa.array(rows))
        prefix = copies.take(pa.array(np.repeat(np.arange(times), table.num_rows)))
        for name in {"candidate_id", "recording_id", "segment_id"} & set(table.column_names):
            place = table.schema.get_field_index(name)
            tiled = tiled.set_column(place, name, pc.binary_join_element_wise(prefix, tiled[name], ""))
        return tiled

    summary = summarise(run_of({name: many(table) for name, table in tables_of_run().items()}, labels=()))
    assert (summary.windows.num, summary.kept.num) == (7 * times, 3 * times)
    assert summary.reasons[0].first == _line("duplicate:exact_audio", times, 20 * times)
    assert sum(map(len, summary.drawn.values())) == 6 * WINDOWS_PER_GROUP


@pytest.mark.parametrize("num_parts", [2, 4])
def test_parts_add_up_to_the_same_summary(summary: Summary, num_parts: int) -> None:
    assert summarise(run_of(tables_of_run(), num_parts)) == summary


def test_the_distributions_of_a_large_run_are_drawn_of_a_sample_and_everything_else_is_not() -> None:
    tables = tables_of_run()
    summary = summarise(run_of(tables), sample_windows=3)
    assert 0 < summary.sample.num < summary.sample.of == 7
    assert summary.windows.num == 7
    [rates] = [signal for signal in summary.signals if signal.column == "chars_per_s"]
    assert sum(item.num_kept + item.num_rejected for item in rates.bins) + rates.num_null == summary.sample.num


@pytest.mark.parametrize(
    ("name", "row", "complaint"),
    [
        ("candidate", 0, "3 candidates, 4 recordings and 4 rows of the ledger"),
        ("ledger", 0, "4 candidates, 4 recordings and 3 rows of the ledger"),
        ("decision", 2, "do not describe the same segments"),
        ("cluster", 6, "do not describe the same segments"),
        ("timing", 6, "do not describe the same segments"),
    ],
)
def test_tables_of_different_runs_are_refused(name: str, row: int, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        summarise(run_of(without(tables_of_run(), name, row)))


def test_windows_of_lost_recordings_are_refused() -> None:
    tables = tables_of_run()
    for name in ("recording", "candidate", "ledger"):
        tables = without(tables, name, 0)
    with pytest.raises(DataError, match="63000 ms more windows than audio"):
        summarise(run_of(tables))


def test_a_first_reason_that_is_none_of_the_reasons_is_refused() -> None:
    tables = changed(tables_of_run(), "decision", 3, reason="ghost")
    with pytest.raises(DataError, match="report counts 6 windows kept and rejected; expected 7"):
        summarise(run_of(tables))


def _count(counts: Counts, **columns: Any) -> Counts:
    counts.add(pa.table(columns))
    return counts


def test_null_is_counted_as_unknown() -> None:
    columns = {"kind": ["a", None], "duration_ms": pa.array([None, 5], pa.int64())}
    assert _count(Counts("kind"), **columns).tallies() == (
        Tally(name="unknown", num=1, duration_ms=5),
        Tally(name="a", num=1, duration_ms=0),
    )
    assert [cell.row for cell in _count(Counts("kind", "kind"), **columns).cells()] == ["a", "unknown"]


def test_too_many_names_are_counted_together_and_still_add_up() -> None:
    counts = _count(Counts("kind", max_names=2), kind=list("abcde"), duration_ms=[5, 4, 3, 2, 1])
    assert counts.tallies() == (
        Tally(name=OTHERS, num=3, duration_ms=6),
        Tally(name="a", num=1, duration_ms=5),
        Tally(name="b", num=1, duration_ms=4),
    )
