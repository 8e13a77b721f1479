"""What is kept of duplicates follows what is known of them, and never costs what only one of them has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.dedup import tables as t
from pipeline.dedup.judge import Edges
from pipeline.dedup.policy import resolve

GOOD: dict[str, Any] = {
    "text_lang": "en",
    "text_rank": 3,
    "is_timed": True,
    "coverage": 0.9,
    "bit_rate": 4.0,
    "sample_rate": 16_000,
}


def verdicts(
    rows: dict[str, dict[str, Any]], edges: Sequence[tuple[str, str, int, float, int, int]]
) -> dict[str, dict[str, Any]]:
    """Resolve recordings given as what differs from GOOD, over edges given as Edges has them."""
    names = sorted(rows)
    witnesses = pa.Table.from_pylist([{"recording_id": name, **GOOD, **rows[name]} for name in names])
    columns = list(zip(*[(names.index(one), names.index(other), *rest) for one, other, *rest in edges], strict=True))
    found = resolve(witnesses, Edges(**dict(zip(Edges.__slots__, map(np.array, columns), strict=True))))
    return {names[row["number"]]: row for row in found.to_pylist()}


def kept(rows: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, row in rows.items() if row["is_representative"]}


def equal(one: str, other: str) -> tuple[str, str, int, float, int, int]:
    return (one, other, t.EXACT_AUDIO, 1.0, 0, 0)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"text_rank": 3, "is_timed": False}, {"text_rank": 2}),
        ({"text_rank": 2, "coverage": 0.1}, {"text_rank": 1}),
        ({"text_rank": 1, "bit_rate": 1.0}, {"text_rank": 0}),
        ({"coverage": 0.5}, {"is_timed": False}),
        ({"bit_rate": 1.0}, {"coverage": 0.8}),
        ({"sample_rate": 8000}, {"bit_rate": 3.0}),
        ({}, {"sample_rate": 8000}),
    ],
)
def test_the_better_of_two_is_kept_whatever_its_name(better: dict[str, Any], worse: dict[str, Any]) -> None:
    assert kept(verdicts({"a": better, "b": worse}, [equal("a", "b")])) == {"a"}
    assert kept(verdicts({"a": worse, "b": better}, [equal("a", "b")])) == {"b"}


def test_of_equals_the_smaller_name_is_kept() -> None:
    assert kept(verdicts({"b": {}, "a": {}}, [equal("a", "b")])) == {"a"}


def test_a_transcript_and_a_translation_of_one_sound_are_both_kept_and_its_bare_copy_is_not() -> None:
    rows = {
        "auto": {"text_lang": "es", "text_rank": 1},
        "bare": {"text_lang": None, "text_rank": 0},
        "en": {},
        "es": {"text_lang": "es"},
    }
    found = verdicts(rows, [equal("auto", "en"), equal("bare", "en"), equal("en", "es")])
    assert kept(found) == {"en", "es"}
    assert {row["cluster_id"] for row in found.values()} == {"auto"}


def test_evidence_is_that_with_the_one_kept_and_else_the_strongest() -> None:
    edges = [equal("b", "c"), ("a", "c", t.MINHASH, 0.9, 0, 0), ("b", "d", t.SOUND, 0.95, 640, 0)]
    found = verdicts({"a": {}, "b": {"coverage": 0.1}, "c": {"coverage": 0.1}, "d": {"coverage": 0.2}}, edges)
    evidence = {name: tuple(row[key] for key in t.VERDICT[2:]) for name, row in found.items()}
    assert evidence == {
        "a": ("minhash", None, None, None),
        "b": ("exact_audio", "c", 1.0, None),
        "c": ("minhash", "a", 0.9, None),
        "d": ("audio_fingerprint", "b", 0.95, -640),
    }


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ({}, {}, {"outer"}),
        ({"text_rank": 3}, {"text_rank": 2}, {"inner", "outer"}),
        ({"text_lang": "es"}, {}, {"inner", "outer"}),
        ({"text_rank": 1}, {"text_rank": 0}, {"inner", "outer"}),
        ({"text_rank": 0}, {"text_rank": 0}, {"outer"}),
        ({"text_rank": 1}, {"coverage": 0.1}, {"outer"}),
    ],
)
@pytest.mark.parametrize("is_inner_first", [True, False])
def test_what_lies_inside_a_longer_recording_goes_only_where_nothing_is_lost(
    inner: dict[str, Any], outer: dict[str, Any], expected: set[str], is_inner_first: bool
) -> None:
    ends = ("inner", "outer") if is_inner_first else ("outer", "inner")
    edge = (*ends, t.SOUND, 0.95, 5000 if is_inner_first else -5000, -1 if is_inner_first else 1)
    found = verdicts({"inner": inner, "outer": outer}, [edge])
    assert kept(found) == expected
    assert found["inner"]["cluster_id"] == found["outer"]["cluster_id"] == "inner"
    if expected == {"outer"}:
        assert (found["inner"]["partner_id"], found["inner"]["offset_ms"]) == ("outer", 5000)


def test_a_longer_recording_never_goes_for_what_lies_inside_it_and_two_parts_of_it_do() -> None:
    edges = [("b", "whole", t.SOUND, 0.9, 0, -1), ("c", "whole", t.SOUND, 0.9, 9000, -1)]
    assert kept(verdicts({"b": {}, "c": {}, "whole": {"coverage": 0.1}}, edges)) == {"whole"}


def test_parts_inside_a_copy_that_is_not_kept_go_with_the_copy_that_is() -> None:
    edges = [("a", "copy", t.SOUND, 0.9, 0, -1), equal("copy", "whole")]
    assert kept(verdicts({"a": {}, "copy": {"coverage": 0.1}, "whole": {}}, edges)) == {"whole"}
