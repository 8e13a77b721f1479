"""The detector's training data and tables, small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs.ingesting.machine_training import (
    Documents,
    labelled,
    reliability_lines,
    simulated,
    table_lines,
    train,
    weight_lines,
)
from pipeline.annotate.detector import FEATURES, detector
from pipeline.annotate.simulate import HUMAN, MACHINE, phrases
from pipeline.errors import UserError


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
    lines = list(weight_lines(model))
    assert len(lines) == len(FEATURES) + 1
    assert sum(line.startswith("is_unparted ") for line in lines) == 1  # a feature of the second model only


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


def write(path: Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = [
        f"00:00:{2 * at:02}.000 --> 00:00:{2 * at + 1:02}.{500 + at}\n{words}\n" for at, words in enumerate(texts)
    ]
    path.write_text("WEBVTT\n\n" + "\n".join(blocks))


def test_a_folder_says_who_wrote_its_captions_in_which_style_and_language(tmp_path: Path) -> None:
    write(tmp_path / "human" / "course" / "talk.en.vtt", *["We will see the rain tomorrow, I think."] * 20)
    write(tmp_path / "human" / "talk.vtt", *["“We will see it tomorrow; or not.”"] * 20)
    write(tmp_path / "machine" / "service" / "sw" / "talk.vtt", *["tutaona mvua kesho na upepo pia huko"] * 20)
    write(tmp_path / "machine" / "service" / "short.en.vtt", "um", "yes")
    (tmp_path / "machine" / "service" / "notes").write_text("nothing to read")
    documents = labelled(tmp_path)
    assert documents.langs == ("en", "?", "sw")
    assert documents.styles == ("course", "human", "service")
    assert documents.truth_N.tolist() == [0.0, 0.0, 1.0]
    table = list(table_lines(detector(), documents, 0.95))
    assert [line.split() for line in table if line.startswith(("all", "service"))] == [
        ["all", "2", "1.000", "1", "1.000", "1.000"],
        ["service", "machine", "1", "1.000"],
    ]


def test_one_style_of_both_is_two_rows() -> None:
    both = Documents(
        rows_NF=np.array([[0.0] * len(FEATURES)] * 2),
        truth_N=np.array([1.0, 0.0]),
        langs=("en", "en"),
        styles=("a", "a"),
    )
    rows = [line.split()[:3] for line in table_lines(detector(), both, 0.95)][-2:]
    assert rows == [["a", "machine", "1"], ["a", "human", "1"]]


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "talk.en.vtt", *["We will see the rain tomorrow, I think."] * 20)
    with pytest.raises(UserError, match=r"holds no captions to measure; expected files of human and machine speech"):
        labelled(tmp_path)
