"""Every window gets a kind or its reasons, and a recording has one split."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from pipeline.decide.rules import Check, Rule
from pipeline.decide.stage import Decide, DecideConfig, decide_stage, split_at
from pipeline.errors import UserError
from pipeline.schema import TOMBSTONE
from pipeline.stage import Context
from pipeline.tables import from_rows as tables_of

ROUTE = {"max_no_speech_ratio": 0.05, "min_audio_probability": 0.8, "max_claimed_probability": 0.1}
CONFIG = DecideConfig(validation_share=0.1, test_share=0.1, **ROUTE)


def tables(num: int = 3) -> dict[str, pa.Table]:
    ids = [f"r{index}:0" for index in range(num)]
    recordings = [f"r{index}" for index in range(num)]
    return {
        "segment": pa.table(
            {
                "segment_id": ids,
                "recording_id": recordings,
                "start_ms": [0] * num,
                "end_ms": [1500] * num,
                "text": ["words"] * num,
                "declared_lang": ["en"] * num,
                "is_synthetic": [False] * num,
            }
        ),
        "tombstone": standing(recordings),
        "cluster": pa.table(
            {
                "segment_id": ids,
                "is_representative": [index != 1 for index in range(num)],
                "method": ["exact_audio" if index < 2 else "unique" for index in range(num)],
                "eval_set": pa.array([None] * num, pa.string()),
                "split_at": [0.5] * num,
                "declared_split": pa.array([None, "test", "validation"][:num], pa.string()),
            }
        ),
        "text_language": pa.table({"segment_id": ids, "lang": ["en"] * num}),
        "audio_language": pa.table(
            {
                "segment_id": ids,
                "audio_lang": pa.nulls(num, pa.string()),
                "audio_probability": pa.nulls(num, pa.float64()),
                "claimed_probability": pa.nulls(num, pa.float64()),
            }
        ),
        "speech": pa.table({"segment_id": ids, "speech_ratio": [0.9] * num, "cue": [0.9, 0.1, 0.1][:num]}),
    }


def standing(recordings: list[str], entry: str | None = None, segment_ids: tuple[str, ...] = ()) -> pa.Table:
    rows = [{"recording_id": name, "entry": entry, "segment_ids": list(segment_ids)} for name in recordings]
    return tables_of(rows, TOMBSTONE)


RULE = Rule(reason="silence", column="cue", keep={"min": 0.5}, why="test")


def decide(inputs: dict[str, pa.Table]) -> list[dict[str, Any]]:
    stage = Decide(CONFIG, {"silence": Check(family="speech", rules=(RULE,))})
    context = Context(blobs_uri="", output_uris={"decision": ""}, input_fingerprints={})
    return stage(inputs, context)["decision"][0].to_pylist()


def test_all_reasons_are_kept_and_the_first_is_the_audit_reason() -> None:
    rows = decide(tables())
    assert [row["kept"] for row in rows] == [True, False, False]
    assert [row["reasons"] for row in rows] == [[], ["silence", "duplicate:exact_audio"], ["silence"]]
    assert [row["reason"] for row in rows] == ["kept", "silence", "silence"]
    assert [row["kind"] for row in rows] == ["transcribe", None, None]
    assert [row["tasks"] for row in rows] == [["transcribe", "detect_language"], [], []]


def test_a_take_down_is_the_first_reason_of_a_recording_or_of_one_window() -> None:
    inputs = tables()
    names = inputs["segment"]["recording_id"].to_pylist()
    rows = decide(inputs | {"tombstone": standing(names, "host: a.test")})
    assert [row["reason"] for row in rows] == ["taken_down"] * 3
    assert [row["kept"] for row in rows] == [False] * 3
    assert rows[1]["reasons"] == ["taken_down", "silence", "duplicate:exact_audio"]
    alone = decide(inputs | {"tombstone": standing(names, None, (rows[0]["segment_id"],))})
    assert [row["reason"] for row in alone] == ["taken_down", "silence", "silence"]


def test_what_holds_part_of_an_evaluation_set_is_left_out_by_the_name_of_the_set() -> None:
    inputs = tables()
    named = pa.array(["fleurs", None, None])
    cluster = inputs["cluster"].set_column(3, "eval_set", named)
    rows = decide(inputs | {"cluster": cluster})
    assert [row["reason"] for row in rows] == ["contaminated:fleurs", "silence", "silence"]


def test_a_declared_split_stands_and_the_others_are_drawn() -> None:
    assert [row["split"] for row in decide(tables())] == ["train", "test", "validation"]


def test_splits_follow_the_shares_and_what_moves_up_moves_towards_train() -> None:
    names = [split_at(index / 1000, CONFIG) for index in range(1000)]
    assert Counter(names) == {"test": 100, "validation": 100, "train": 800}
    assert [name for name, _ in itertools.groupby(names)] == ["test", "validation", "train"]


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(UserError, match="leave nothing to train on"):
        DecideConfig(validation_share=0.5, test_share=0.5, **ROUTE)


def test_what_changes_a_verdict_changes_the_fingerprint_and_words_do_not() -> None:
    def identity(*rules: Rule) -> object:
        checks = {str(number): Check(family="speech", rules=(rule,)) for number, rule in enumerate(rules)}
        return decide_stage(CONFIG, checks).outputs[0].config

    other = replace(RULE, keep={"min": 0.6})
    assert identity(RULE, other) != identity(other, RULE)
    assert identity(RULE) != identity(other)
    assert identity(RULE) == identity(replace(RULE, why="said otherwise"))


def test_what_machines_spoke_is_held_out_of_no_split_but_train() -> None:
    inputs = tables()
    place = inputs["segment"].schema.get_field_index("is_synthetic")
    spoken = inputs["segment"].set_column(place, "is_synthetic", [[True, True, True]])
    rows = decide(inputs | {"segment": spoken})
    assert [(row["split"], row["reasons"][-1:]) for row in rows] == [
        ("train", []),
        ("test", ["synthetic_held_out"]),
        ("validation", ["synthetic_held_out"]),
    ]
