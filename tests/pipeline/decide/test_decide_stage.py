"""Every window gets a kind or its reasons, and a recording has one split."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from pipeline.decide.route import route
from pipeline.decide.rules import Check, Rule
from pipeline.decide.stage import Decide, DecideConfig, decide_stage, split_of
from pipeline.errors import UserError
from pipeline.stage import Context

CONFIG = DecideConfig(validation_share=0.1, test_share=0.1, max_no_speech_ratio=0.05)


@pytest.mark.parametrize(
    ("text", "declared", "text_lang", "speech", "expected"),
    [
        ("habari", "sw", "sw", 0.9, ("transcribe", None, "sw", "sw")),
        ("news", "sw", "en", 0.9, ("translate", None, "sw", "en")),
        ("noticias", "sw", "es", 0.9, (None, "language_mismatch", "sw", "es")),
        ("noticias", None, "es", 0.9, ("transcribe", None, "es", "es")),
        ("???", "sw", None, 0.9, (None, "unknown_language", "sw", None)),
        (None, "sw", None, 0.0, ("no_speech", None, "und", None)),
        ("", "sw", "sw", 0.0, ("no_speech", None, "und", None)),
        (None, "sw", None, 0.5, (None, "speech_without_text", "und", None)),
        (None, "sw", None, None, (None, "unmeasured:speech_ratio", "und", None)),
    ],
)
def test_languages_and_speech_give_the_kind(
    text: Any, declared: Any, text_lang: Any, speech: Any, expected: Any
) -> None:
    strings, number = pa.string(), pa.float64()
    windows = pa.table(
        {
            "text": pa.array([text], strings),
            "declared_lang": pa.array([declared], strings),
            "lang": pa.array([text_lang], strings),
            "speech_ratio": pa.array([speech], number),
        }
    )
    got = route(windows, 0.05)
    assert tuple(column.to_pylist()[0] for column in (got.kind, got.reason, got.lang, got.text_lang)) == expected


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
            }
        ),
        "recording": pa.table(
            {
                "recording_id": recordings,
                "sha256": [f"{index:064d}" for index in range(num)],
                "declared_split": pa.array([None, "test", "validation"][:num], pa.string()),
            }
        ),
        "cluster": pa.table(
            {
                "segment_id": ids,
                "is_representative": [index != 1 for index in range(num)],
                "method": ["exact_audio" if index < 2 else "unique" for index in range(num)],
            }
        ),
        "text_language": pa.table({"segment_id": ids, "lang": ["en"] * num}),
        "speech": pa.table({"segment_id": ids, "speech_ratio": [0.9] * num, "cue": [0.9, 0.1, 0.1][:num]}),
    }


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


def test_a_split_the_source_declares_stands() -> None:
    assert [row["split"] for row in decide(tables())][1:] == ["test", "validation"]


def test_splits_follow_the_shares_and_depend_on_the_audio_alone() -> None:
    counts = Counter(split_of(f"{index:064d}", CONFIG) for index in range(10_000))
    assert abs(counts["test"] - 1000) < 100
    assert abs(counts["validation"] - 1000) < 100
    assert split_of("ab", CONFIG) == split_of("ab", CONFIG)


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(UserError, match="leave nothing to train on"):
        DecideConfig(validation_share=0.5, test_share=0.5, max_no_speech_ratio=0.05)


def test_what_changes_a_verdict_changes_the_fingerprint_and_words_do_not() -> None:
    def identity(*rules: Rule) -> object:
        checks = {str(number): Check(family="speech", rules=(rule,)) for number, rule in enumerate(rules)}
        return decide_stage(CONFIG, checks).outputs[0].config

    other = replace(RULE, keep={"min": 0.6})
    assert identity(RULE, other) != identity(other, RULE)
    assert identity(RULE) != identity(other)
    assert identity(RULE) == identity(replace(RULE, why="said otherwise"))
