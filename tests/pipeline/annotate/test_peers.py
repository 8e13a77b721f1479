"""Windows against their language's speed, and ranks drawn by lot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.annotate.peers import MIN_HEARD, MIN_PEERS, compare, peers_stage, quantiles, usual_margins
from pipeline.stage import PART, Context


def peers(
    speeds: list[float | None],
    langs: list[str | None],
    texts: list[str | None] | None = None,
    bare: list[bool | None] | None = None,
    margins: Sequence[tuple[float | None, float]] = (),
) -> list[dict[str, Any]]:
    num = len(speeds)
    ids = [f"r{at // 4}:{at}" for at in range(num)]
    part = pa.array([0] * num)
    inputs = {
        "segment": pa.table(
            {
                "segment_id": ids,
                "recording_id": [name.partition(":")[0] for name in ids],
                "source": ["feed"] * num,
                "text": pa.array(texts or ["x" * 100] * num, pa.string()),
                PART: part,
            }
        ),
        "text_language": pa.table({"segment_id": ids, "lang": pa.array(langs, pa.string()), PART: part}),
        "machine_text": pa.table(
            {"segment_id": ids, "is_bare": pa.array(bare or [None] * num, pa.bool_()), PART: part}
        ),
        "speech": pa.table({"segment_id": ids, "chars_per_speech_s": pa.array(speeds, pa.float64()), PART: part}),
    }
    if margins:
        own, whole = (pa.array([pair[at] for pair in margins], pa.float64()) for at in (0, 1))
        errors = pa.array([None] * num, pa.float64())
        told = {"segment_id": ids, "error_rate": errors, "margin": own, "document_margin": whole, PART: part}
        inputs["agreement"] = pa.table(told)
    context = Context(blobs_uri="", output_uris={}, input_fingerprints={}, num_parts={"segment": 1})
    return compare(inputs, context)["peers"][0].to_pylist()


USUAL = [float(speed) for speed in np.random.default_rng(0).lognormal(np.log(14), 0.2, 40)]


def test_too_much_text_for_its_speech_lies_far_out_in_its_own_language() -> None:
    rows = peers([*USUAL, 42.0, 14.0, None], ["es"] * 42 + ["es"])
    assert abs(rows[41]["rate_deviation"]) < 0.5
    assert rows[40]["rate_deviation"] > 4
    assert rows[42]["rate_deviation"] is None
    assert {row["num_peers"] for row in rows} == {42}


def test_a_language_of_few_windows_is_not_judged() -> None:
    rows = peers([*USUAL, 42.0], ["es"] * 40 + ["sw"])
    assert (rows[40]["rate_deviation"], rows[40]["num_peers"]) == (None, 1)
    assert len(USUAL) >= MIN_PEERS


def test_a_window_with_little_speech_has_any_speed() -> None:
    texts: list[str | None] = ["x" * 100] * 40 + ["yes"]
    assert peers([*USUAL, 3.0], ["es"] * 41, texts)[40]["rate_deviation"] is None


def test_short_windows_are_allowed_what_short_windows_do() -> None:
    rng = np.random.default_rng(1)
    long = [float(speed) for speed in rng.lognormal(np.log(14), 0.1, 60)]
    short = [float(speed) for speed in rng.lognormal(np.log(14), 0.22, 60)]
    texts: list[str | None] = ["x" * 400] * 60 + ["x" * 70] * 60 + ["x" * 400, "x" * 70]
    rows = peers([*long, *short, 24.0, 24.0], ["es"] * 122, texts)
    assert sum(abs(row["rate_deviation"]) > 3 for row in rows[60:120]) <= 6
    assert 0 < rows[121]["rate_deviation"] < 0.75 * rows[120]["rate_deviation"]


def test_a_bare_phrase_is_judged_by_its_source() -> None:
    bare: list[bool | None] = [True] * 30 + [False] * 10 + [None] * 4
    langs: list[str | None] = ["es"] * 43 + ["sw"]
    rows = peers([14.0] * 44, langs, bare=bare)
    assert [row["bare_peer_ratio"] for row in rows] == [0.75] * 30 + [None] * 14
    assert peers([14.0] * 5, ["es"] * 5, bare=[True] * 5)[0]["bare_peer_ratio"] is None


def test_ranks_count_windows_with_text_and_are_the_same_in_any_order() -> None:
    texts = ["x" * 100, None] * 8
    rows = peers([14.0] * 16, ["es"] * 16, texts)
    ranks = [row["recording_rank"] for row in rows]
    assert [rank is None for rank in ranks] == [False, True] * 8
    assert sorted(rank for rank in ranks[:4] if rank is not None) == [0, 1]
    assert sorted(row["source_rank"] for row in rows if row["source_rank"] is not None) == list(range(8))
    assert peers([14.0] * 8, ["es"] * 8, texts[:8])[0]["recording_rank"] == rows[0]["recording_rank"]


@pytest.mark.parametrize("num", [0, 1])
def test_hardly_any_windows_are_no_trouble(num: int) -> None:
    assert len(peers([14.0] * num, ["es"] * num)) == num


def test_a_windows_agreement_is_placed_among_its_languages() -> None:
    values = np.array([*np.linspace(0.1, 0.4, MIN_PEERS), 0.9, np.nan, 0.5])
    groups = np.array([0] * (MIN_PEERS + 2) + [1])
    found = quantiles(values, groups)
    assert found[0] == 0 and found[MIN_PEERS] == MIN_PEERS / (MIN_PEERS + 1)
    assert np.isnan(found[-2:]).all()


@pytest.mark.parametrize("has_agreement", [True, False])
def test_agreement_is_read_where_it_is_measured(has_agreement: bool) -> None:
    assert ("agreement" in peers_stage(has_agreement).reads) is has_agreement


def test_a_document_judges_only_windows_too_short_to_be_told_by_themselves() -> None:
    margins = [*[(0.8, 0.2)] * MIN_HEARD, (None, 0.2), (0.8, 0.2)]
    rows = peers([14.0] * len(margins), ["es"] * len(margins), margins=margins)
    assert [row["document_heard_margin"] for row in rows[-2:]] == [pytest.approx(0.25), None]
    assert [row["heard_margin"] for row in rows[-2:]] == [None, pytest.approx(1.0)]


def test_a_margin_is_measured_by_its_languages_median_where_the_model_hears_it() -> None:
    margins = np.array([0.9] * MIN_HEARD + [0.0, np.nan] + [0.1] * (2 * MIN_HEARD) + [0.9] * (MIN_HEARD - 1))
    groups = np.array([0] * (MIN_HEARD + 2) + [1] * (2 * MIN_HEARD) + [2] * (MIN_HEARD - 1))
    np.testing.assert_array_equal(usual_margins(margins, groups), np.where(groups == 0, 0.9, np.nan))
