"""The detector's training data and tables, small."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jobs.ingesting.machine_training import (
    Documents,
    real_captions,
    reliability_lines,
    simulated,
    table_lines,
    train,
    weight_lines,
)
from pipeline.annotate.detector import FEATURES, detector
from pipeline.annotate.simulate import HUMAN, MACHINE, phrases


def test_training_and_test_documents_share_no_sentence_and_every_style_is_there() -> None:
    assert all(not set(first) & set(second) for first, second in phrases().values())
    documents = simulated(seed=3, half=0, num_per_style=1)
    assert set(documents.styles) == {*HUMAN, *MACHINE}
    assert len(documents.langs) == len(phrases()) * (len(HUMAN) + len(MACHINE))
    assert documents.rows_NF.shape == (len(documents.langs), len(FEATURES))
    again = simulated(seed=3, half=0, num_per_style=1)
    assert np.array_equal(documents.rows_NF, again.rows_NF, equal_nan=True)


def test_a_detector_trains_on_one_half_and_holds_on_the_other() -> None:
    model = train(simulated(seed=3, half=0, num_per_style=2), "a test")
    tests = simulated(seed=4, half=1, num_per_style=1)
    is_right = (model.probability(tests.rows_NF) > 0.5) == (tests.truth_N == 1)
    assert is_right.mean() > 0.75
    assert len(list(weight_lines(model))) == len(FEATURES) + 1


DOCUMENTS = Documents(
    rows_NF=np.array([[0.0] * len(FEATURES), [np.nan] * len(FEATURES)]),
    truth_N=np.array([1.0, 0.0]),
    langs=("en", "sw"),
    styles=("bare_lower", "verbatim"),
)


def test_tables_name_every_language_and_style() -> None:
    table = "\n".join(table_lines(detector(), DOCUMENTS, 0.5))
    assert all(name in table for name in ("en", "sw", "bare_lower", "verbatim"))
    assert list(reliability_lines(detector(), DOCUMENTS))[-1].startswith("expected calibration error")


def test_documents_are_parted_by_style() -> None:
    kept, out = DOCUMENTS.without(lambda _, style: style == "verbatim")
    assert (kept.langs, out.langs) == (("en",), ("sw",))


def test_captions_of_a_folder_are_peoples(tmp_path: Path) -> None:
    blocks = (
        f"00:00:{at:02}.000 --> 00:00:{at + 1:02}.500\nWe will see the rain tomorrow, I think.\n"
        for at in range(0, 40, 2)
    )
    (tmp_path / "en-talk.vtt").write_text("WEBVTT\n\n" + "\n".join(blocks))
    documents = real_captions(tmp_path)
    assert (documents.langs, documents.truth_N.tolist()) == (("en",), [0.0])
    assert detector().probability(documents.rows_NF)[0] < 0.95
