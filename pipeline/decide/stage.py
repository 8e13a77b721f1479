"""Decide: rules and routing over the measured columns; every reason is kept, and only `shard` acts on it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.decide.route import TASKS, route
from pipeline.decide.rules import Check, Mask, Verdicts, judge
from pipeline.errors import UserError
from pipeline.schema import DECISION
from pipeline.stage import Context, Output, Stage, Tables, same_segments, semantic_config

KEPT = "kept"
HASH_RANGE = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideConfig:
    """Shares of recordings held out, and how little speech makes a window without text a no-speech sample."""

    validation_share: float
    test_share: float
    max_no_speech_ratio: float

    def __post_init__(self) -> None:
        """Refuse shares that leave nothing to train on."""
        if min(self.validation_share, self.test_share) < 0 or self.validation_share + self.test_share >= 1:
            raise UserError(
                f"decide shares validation={self.validation_share} test={self.test_share} leave nothing to train on; "
                "expected shares >= 0 whose sum is below 1; mend conf/ingest.yaml"
            )


@dataclass(frozen=True, slots=True)
class Decide:
    """The decide stage's function."""

    config: DecideConfig
    checks: Mapping[str, Check]

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Judge a part of segments; part i of every input describes the same segments."""
        segments, recordings = inputs["segment"], inputs["recording"]
        windows = _windows(segments, inputs["text_language"], inputs["speech"])
        routed = route(windows, self.config.max_no_speech_ratio)
        verdicts = _with_reasons(
            judge(list(self.checks.values()), inputs, _has_text(segments)),
            _duplicate_reasons(inputs["cluster"]),
            routed.reason,
        )
        rejected = pa.array(verdicts.rejects.any(axis=1))
        kind = pc.if_else(rejected, pa.scalar(None, pa.string()), routed.kind)
        columns: dict[str, Any] = {
            "segment_id": segments["segment_id"],
            "recording_id": segments["recording_id"],
            "duration_ms": pc.subtract(segments["end_ms"], segments["start_ms"]),
            "kept": pc.invert(rejected),
            "reason": _first_reasons(verdicts),
            "reasons": _all_reasons(verdicts),
            "kind": kind,
            "tasks": pa.array([TASKS[value] for value in kind.to_pylist()], pa.list_(pa.string())),
            "lang": routed.lang,
            "text_lang": routed.text_lang,
            "split": self._splits(segments, recordings),
        }
        return {"decision": [pa.table(columns)]}

    def _splits(self, segments: pa.Table, recordings: pa.Table) -> pa.Array:
        names = {
            row["recording_id"]: row["declared_split"] or split_of(row["sha256"], self.config)
            for row in recordings.to_pylist()
            if row["sha256"]
        }
        return pa.array([names[key] for key in segments["recording_id"].to_pylist()], pa.string())


def decide_stage(config: DecideConfig, checks: Mapping[str, Check]) -> Stage:
    """Build the stage that judges every segment by the given checks."""
    families = dict.fromkeys(("text_language", "speech", *(check.family for check in checks.values())))
    identity: dict[str, Any] = semantic_config(config) | {"checks": [_identity(check) for check in checks.values()]}
    return Stage(
        name="decide",
        reads={
            "segment": ("segment_id", "recording_id", "start_ms", "end_ms", "text", "declared_lang"),
            "recording": ("recording_id", "sha256", "declared_split"),
            "cluster": None,
            **dict.fromkeys(families, None),
        },
        outputs=(Output(name="decision", schema=DECISION, version=1, config=identity, count_by=("reason", "split")),),
        run=Decide(config, checks),
        conserve=same_segments,
    )


def split_of(sha256: str, config: DecideConfig) -> str:
    """Place a recording by a hash of its audio: never by segment, never by order."""
    share = int.from_bytes(hashlib.blake2b(sha256.encode(), digest_size=4).digest()) / HASH_RANGE
    if share < config.test_share:
        return "test"
    return "validation" if share < config.test_share + config.validation_share else "train"


def _windows(segments: pa.Table, text_language: pa.Table, speech: pa.Table) -> pa.Table:
    return pa.table(
        {
            "text": segments["text"],
            "declared_lang": segments["declared_lang"],
            "lang": text_language["lang"],
            "speech_ratio": speech["speech_ratio"],
        }
    )


def _has_text(segments: pa.Table) -> Mask:
    return np.asarray(pc.greater(pc.fill_null(pc.utf8_length(segments["text"]), 0), 0).to_numpy(), dtype=bool)


def _duplicate_reasons(cluster: pa.Table) -> pa.ChunkedArray:
    names = pc.binary_join_element_wise("duplicate", cluster["method"], ":")
    return pc.if_else(cluster["is_representative"], pa.scalar(None, pa.string()), names)


def _with_reasons(verdicts: Verdicts, *columns: pa.ChunkedArray) -> Verdicts:
    reasons, rejects = list(verdicts.reasons), [verdicts.rejects]
    for column in columns:
        for reason in sorted(value for value in pc.unique(column).to_pylist() if value is not None):
            reasons.append(reason)
            stands = pc.fill_null(pc.equal(column, reason), False)
            rejects.append(np.asarray(stands.to_numpy(), dtype=bool)[:, None])
    return Verdicts(reasons=tuple(reasons), rejects=np.concatenate(rejects, axis=1))


def _first_reasons(verdicts: Verdicts) -> pa.Array:
    names = pa.array([*verdicts.reasons, KEPT])
    padded = np.concatenate([verdicts.rejects, np.full((len(verdicts.rejects), 1), True)], axis=1)
    return names.take(pa.array(padded.argmax(axis=1)))


def _all_reasons(verdicts: Verdicts) -> pa.Array:
    offsets = np.concatenate([[0], verdicts.rejects.sum(axis=1).cumsum()])
    names = pa.array(verdicts.reasons, pa.string()).take(pa.array(verdicts.rejects.nonzero()[1]))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names)


def _identity(check: Check) -> dict[str, Any]:
    # The words of `why` change nothing, and no artifact; the order of the checks names the audit reason.
    names = ("reason", "column", "keep", "applies_to", "null_is")
    rules = [{name: getattr(rule, name) for name in names} | {"keep": dict(rule.keep)} for rule in check.rules]
    return {"family": check.family, "rules": rules}
