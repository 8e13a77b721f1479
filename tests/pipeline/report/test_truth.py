from __future__ import annotations

from typing import Any

import pytest

from pipeline.report.summary import summarise
from pipeline.report.truth import DefectRow, ReasonRow, Truth
from tests.pipeline.report.run import LABELS, Tables, changed, run_of, tables_of_run


def truth_of(labels: list[dict[str, Any]], tables: Tables | None = None) -> Truth:
    truth = summarise(run_of(tables or tables_of_run(), num_parts=2, labels=labels)).truth
    assert truth is not None
    return truth


@pytest.fixture(scope="module")
def truth() -> Truth:
    return truth_of(LABELS)


def test_recall_counts_bad_recordings_and_precision_what_was_kept_out(truth: Truth) -> None:
    assert (truth.num_bad, truth.num_caught, truth.num_kept_out) == (1, 1, 2)
    assert (truth.recall, truth.precision) == (1.0, 0.5)


def test_each_defect_says_what_became_of_it(truth: Truth) -> None:
    assert truth.defects == (
        DefectRow(
            defect="clean",
            expected="transcribe",
            num=2,
            num_right=1,
            verdicts=(("transcribe", 1), ("rejected: duplicate:exact_audio", 1)),
        ),
        DefectRow(
            defect="loop",
            expected="rejected:repetition",
            num=1,
            num_right=1,
            verdicts=(("rejected: repeated_lines", 1),),
        ),
    )


def test_each_reason_says_how_often_it_was_right(truth: Truth) -> None:
    assert truth.reasons == (
        ReasonRow(reason="repeated_lines", num=1, num_right=1),
        ReasonRow(reason="duplicate:exact_audio", num=1, num_right=0),
    )


def test_good_audio_counts_windows_with_text_only(truth: Truth) -> None:
    assert truth.good.duration_ms == 80_000
    assert truth.good_kept.duration_ms == 50_000


def test_the_wrong_task_is_a_wrong_verdict() -> None:
    [row] = truth_of([{"audio_url": "good.mp3", "defect": "clean", "expected": "translate"}]).defects
    assert (row.num_right, row.verdicts) == (0, (("transcribe", 1),))


def test_a_failure_counts_as_kept_out() -> None:
    tables = changed(tables_of_run(), "recording", 3, audio_url="http://h/gone.mp3")
    labels = [{"audio_url": "gone.mp3", "defect": "empty_file", "expected": "failed:undecodable"}]
    truth = truth_of(labels, tables)
    assert (truth.recall, truth.precision) == (1.0, 1.0)
    assert truth.defects[0].verdicts == (("failed: http_404", 1),)


def test_a_pause_kept_as_no_speech_does_not_save_a_bad_recording() -> None:
    tables = changed(tables_of_run(), "segment", 3, text=None)
    verdict = {"kept": True, "reason": "kept", "reasons": [], "kind": "no_speech"}
    assert truth_of(list(LABELS), changed(tables, "decision", 3, **verdict)).recall == 1.0


def test_without_labels_that_match_there_is_nothing_to_divide() -> None:
    truth = truth_of([{"audio_url": "other.mp3", "defect": "loop", "expected": "rejected:repetition"}])
    assert (truth.recall, truth.precision, truth.defects) == (None, None, ())


def test_a_copy_kept_in_place_of_its_original_is_right() -> None:
    kept, _, rejected = LABELS
    copy = kept | {"defect": "copy", "expected": "rejected:exact_audio", "duplicate_of": rejected["audio_url"]}
    exchanged = truth_of([copy, rejected | {"duplicate_of": None}])
    assert (exchanged.num_bad, exchanged.num_caught, exchanged.num_kept_out) == (1, 1, 1)
    assert exchanged.good_kept.duration_ms == exchanged.good.duration_ms > 0
