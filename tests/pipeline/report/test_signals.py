from __future__ import annotations

import pyarrow as pa

from pipeline.report.inputs import Threshold
from pipeline.report.signals import NUM_BINS, signals
from pipeline.report.summary import summarise
from pipeline.report.view import yes_and_no
from tests.pipeline.report.run import nothing, run_of, tables_of_run


def _family(**columns: pa.Array) -> dict[str, pa.Table]:
    return {"family": pa.table({"segment_id": ["a", "b", "c", "d"], **columns})}


KEPT = pa.chunked_array([[True, True, False, False]])


def test_every_window_is_in_a_bin_or_null() -> None:
    rate = next(item for item in summarise(run_of(tables_of_run())).signals if item.column == "chars_per_s")
    assert sum(item.num_kept for item in rate.bins) == 2
    assert sum(item.num_rejected for item in rate.bins) == 4
    assert (rate.num_null, rate.median) == (1, 14.5)
    assert rate.doc == "characters per second of cue time; null without cues"


def test_limits_lie_within_the_histogram_with_room_beyond() -> None:
    limit = Threshold(reason="far", column="x", keep={"max": 9.0}, why="measured")
    [signal] = signals(_family(x=pa.array([0.0, 1.0, 2.0, 3.0])), KEPT, (limit,))
    assert (signal.bins[0].start, len(signal.bins)) == (0.0, NUM_BINS)
    assert 9.0 < signal.bins[-1].end < 10.0


def test_a_limit_that_stands_for_none_does_not_flatten_the_histogram() -> None:
    limit = Threshold(reason="cap", column="x", keep={"max": 1_000_000}, why="no cap")
    [signal] = signals(_family(x=pa.array([0, 1, 2, 3])), KEPT, (limit,))
    assert signal.bins[-1].end == 4.0


def test_yes_and_no_are_two_bins() -> None:
    [signal] = signals(_family(x=pa.array([True, True, True, None])), KEPT, ())
    assert yes_and_no(signal) == (("no", 0, 0), ("yes", 2, 1))


def test_whole_numbers_have_whole_bins() -> None:
    [signal] = signals(_family(x=pa.array([3, 3, 4, 100])), KEPT, ())
    assert all(item.start == int(item.start) for item in signal.bins)
    assert sum(item.num_kept + item.num_rejected for item in signal.bins) == 4


def test_one_value_and_infinity_and_no_value_have_histograms_too() -> None:
    [same] = signals(_family(x=pa.array([5.0, 5.0, 5.0, 5.0])), KEPT, ())
    assert same.bins[0].num_kept == 2
    [silent] = signals(_family(x=pa.array([float("-inf"), -20.0, float("nan"), None])), KEPT, ())
    assert silent.num_null == 3
    [empty] = signals(_family(x=pa.array([None] * 4, pa.float64())), KEPT, ())
    assert (empty.bins, empty.median) == ((), None)


def test_text_columns_have_no_histogram() -> None:
    assert signals(_family(x=pa.array(["a", "b", "c", "d"])), KEPT, ()) == ()


def test_no_windows_have_no_histogram() -> None:
    assert all(signal.bins == () for signal in summarise(run_of(nothing())).signals)
