"""Decide: rules and routing over the measured columns; every reason is kept, and only `shard` acts on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.decide.route import RouteOptions, route, tasks_of
from pipeline.decide.rules import Check, Mask, Verdicts, judge
from pipeline.errors import UserError
from pipeline.schema import DECISION
from pipeline.stage import Context, Output, Stage, Tables, same_segments, semantic_config
from pipeline.takedown import TAKEN_DOWN

KEPT = "kept"
SYNTHETIC_HELD_OUT = "synthetic_held_out"
HEARD = ("audio_lang", "audio_probability", "claimed_probability")
ROUTED = {"text_language": ("lang",), "speech": ("speech_ratio",), "audio_language": HEARD}  # what routing reads


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideConfig:
    """Shares of recordings held out, and what routes a window to its tasks (route.RouteOptions)."""

    validation_share: float
    test_share: float
    max_no_speech_ratio: float
    min_audio_probability: float
    max_claimed_probability: float

    def __post_init__(self) -> None:
        """Refuse shares that leave nothing to train on."""
        if min(self.validation_share, self.test_share) < 0 or self.validation_share + self.test_share >= 1:
            raise UserError(
                f"decide shares validation={self.validation_share} test={self.test_share} leave nothing to train on; "
                "expected shares >= 0 whose sum is below 1; mend conf/ingest.yaml"
            )

    @property
    def route(self) -> RouteOptions:
        """What routing needs of it."""
        return RouteOptions(
            max_no_speech_ratio=self.max_no_speech_ratio,
            min_audio_probability=self.min_audio_probability,
            max_claimed_probability=self.max_claimed_probability,
        )


@dataclass(frozen=True, slots=True)
class Decide:
    """The decide stage's function."""

    config: DecideConfig
    checks: Mapping[str, Check]

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Judge a part of segments; part i of every input describes the same segments."""
        segments = inputs["segment"]
        splits = self._splits(inputs["cluster"])
        windows = windows_to_route(segments, inputs["text_language"], inputs["speech"], inputs["audio_language"])
        routed = route(windows, self.config.route)
        verdicts = _with_reasons(
            judge(list(self.checks.values()), inputs, _has_text(segments)),
            _named("contaminated", inputs["cluster"]["eval_set"]),
            _duplicate_reasons(inputs["cluster"]),
            routed.reason,
            _held_out_reasons(segments["is_synthetic"], splits),
        )
        verdicts = _taken_down_first(verdicts, segments, inputs["tombstone"])
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
            "tasks": tasks_of(kind),
            "lang": routed.lang,
            "text_lang": routed.text_lang,
            "split": splits,
        }
        return {"decision": [pa.table(columns)]}

    def _splits(self, cluster: pa.Table) -> pa.Array:
        drawn = [split_at(place, self.config) for place in cluster["split_at"].to_pylist()]
        return pc.coalesce(cluster["declared_split"], pa.array(drawn, pa.string()))


def decide_stage(config: DecideConfig, checks: Mapping[str, Check]) -> Stage:
    """Build the stage that judges every segment by the given checks."""
    families = _columns(checks.values())
    identity: dict[str, Any] = semantic_config(config) | {"checks": [_identity(check) for check in checks.values()]}
    return Stage(
        name="decide",
        reads={
            "segment": ("segment_id", "recording_id", "start_ms", "end_ms", "text", "declared_lang", "is_synthetic"),
            "tombstone": None,
            "cluster": None,
            **families,
        },
        outputs=(Output(name="decision", schema=DECISION, version=3, config=identity, count_by=("reason", "split")),),
        run=Decide(config, checks),
        conserve=same_segments,
    )


def _columns(checks: Iterable[Check]) -> dict[str, tuple[str, ...]]:
    """Name the columns of each family that a rule or the routing reads."""
    needed = {family: {"segment_id": None, **dict.fromkeys(columns)} for family, columns in ROUTED.items()}
    for check in checks:
        columns = needed.setdefault(check.family, {"segment_id": None})
        columns |= dict.fromkeys(rule.column for rule in check.rules)
    return {family: tuple(columns) for family, columns in needed.items()}


def split_at(place: float, config: DecideConfig) -> str:
    """Name the split at a place in [0, 1); train comes last, so that feeds which are tied together move towards it."""
    if place < config.test_share:
        return "test"
    return "validation" if place < config.test_share + config.validation_share else "train"


def windows_to_route(segments: pa.Table, text_language: pa.Table, speech: pa.Table, heard: pa.Table) -> pa.Table:
    """Put together what routing reads of the windows; the tables hold them in the same order."""
    return pa.table(
        {
            "text": segments["text"],
            "declared_lang": segments["declared_lang"],
            "lang": text_language["lang"],
            "speech_ratio": speech["speech_ratio"],
            **{name: heard[name] for name in HEARD},
        }
    )


def _has_text(segments: pa.Table) -> Mask:
    return np.asarray(pc.greater(pc.fill_null(pc.utf8_length(segments["text"]), 0), 0).to_numpy(), dtype=bool)


def _duplicate_reasons(cluster: pa.Table) -> pa.ChunkedArray:
    names = _named("duplicate", cluster["method"])
    return pc.if_else(cluster["is_representative"], pa.scalar(None, pa.string()), names)


def _held_out_reasons(is_synthetic: pa.ChunkedArray, splits: pa.Array) -> pa.ChunkedArray:
    """Reject synthetic speech outside of train. It stays in its split, with the recordings that share its words."""
    is_rejected = pc.and_(is_synthetic, pc.not_equal(splits, "train"))
    return pc.if_else(is_rejected, pa.scalar(SYNTHETIC_HELD_OUT), pa.scalar(None, pa.string()))


def _named(why: str, what: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(why, what, ":")


def _taken_down_first(verdicts: Verdicts, segments: pa.Table, tombstones: pa.Table) -> Verdicts:
    recordings = tombstones["recording_id"].filter(pc.is_valid(tombstones["entry"]))
    windows = pc.list_flatten(tombstones["segment_ids"])
    taken = pc.or_(
        pc.is_in(segments["segment_id"], value_set=windows.cast(pa.string())),
        pc.is_in(segments["recording_id"], value_set=recordings.cast(pa.string())),
    )
    rejects = np.concatenate([np.asarray(taken.to_numpy(), dtype=bool)[:, None], verdicts.rejects], axis=1)
    return Verdicts(reasons=(TAKEN_DOWN, *verdicts.reasons), rejects=rejects)


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
