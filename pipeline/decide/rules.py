"""Rules as data: a check names an annotator, its thresholds with their reasons, and rows that must pass or fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import UserError, unknown_name

Mask = NDArray[np.bool_]
Scope = Literal["all", "with_text", "without_text"]
COMPARISONS = {"min": pc.greater_equal, "max": pc.less_equal, "equals": pc.equal}
SCOPES = ("all", "with_text", "without_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Keep a window when `column` compares well; null is its own reason unless `null_is` says keep."""

    reason: str
    column: str
    keep: Mapping[str, Any]
    why: str
    applies_to: Scope = "all"
    null_is: Literal["reject", "keep"] = "reject"

    def __post_init__(self) -> None:
        """Refuse comparisons and scopes that do not exist."""
        for name in self.keep:
            if name not in COMPARISONS:
                raise unknown_name(f"rule {self.reason!r} comparison", name, COMPARISONS)
        if self.applies_to not in SCOPES:
            raise unknown_name(f"rule {self.reason!r} scope", self.applies_to, SCOPES)

    def passes(self, values: pa.ChunkedArray) -> tuple[Mask, Mask]:
        """Return (passes, is_null) for each row; null passes only where `null_is` says so."""
        is_null = _mask(pc.is_null(values))
        verdict = np.full(len(values), True)
        for name, limit in self.keep.items():
            verdict &= _mask(pc.fill_null(COMPARISONS[name](values, pa.scalar(limit)), False))
        return np.where(is_null, self.null_is == "keep", verdict), is_null


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The rules on one annotator's columns, with literal examples that are tried before a run."""

    family: str
    rules: tuple[Rule, ...]
    examples: tuple[Mapping[str, Any], ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """All reasons against each row: `rejects[i, j]` says reason j stands against row i."""

    reasons: tuple[str, ...]
    rejects: Mask


def judge(checks: Sequence[Check], families: Mapping[str, pa.Table], has_text: Mask) -> Verdicts:
    """Apply every rule of every check to every row; vectorised, in the order of the checks."""
    reasons: list[str] = []
    columns: list[Mask] = []
    for check in checks:
        for rule in check.rules:
            passes, is_null = rule.passes(_column(families, check.family, rule))
            rejected = ~passes & _scope(rule.applies_to, has_text)
            reasons += [rule.reason, f"unmeasured:{rule.column}"]
            columns += [rejected & ~is_null, rejected & is_null]
    rejects = np.stack(columns, axis=1) if columns else np.zeros((len(has_text), 0), dtype=bool)
    return Verdicts(reasons=tuple(reasons), rejects=rejects)


def try_examples(name: str, check: Check) -> None:
    """Judge a check's own examples; UserError when a threshold no longer does what they say."""
    for example in check.examples:
        row: Mapping[str, Any] = example["row"]
        rules = [rule for rule in check.rules if rule.column in row]
        if not rules:
            raise UserError(
                f"check {name!r} example {dict(row)} names no column of its rules; "
                f"expected one of {[rule.column for rule in check.rules]}; mend conf/check"
            )
        kept = all(bool(rule.passes(pa.chunked_array([[row[rule.column]]]))[0][0]) for rule in rules)
        if kept != example["keep"]:
            verb = "keeps" if kept else "rejects"
            raise UserError(
                f"check {name!r} {verb} its example {dict(row)}; "
                f"the example says keep={example['keep']}; mend the threshold or the example"
            )


def _column(families: Mapping[str, pa.Table], family: str, rule: Rule) -> pa.ChunkedArray:
    table = families[family]
    if rule.column not in table.column_names:
        raise unknown_name(f"rule {rule.reason!r} of family {family!r} column", rule.column, table.column_names)
    return table[rule.column]


def _scope(scope: Scope, has_text: Mask) -> Mask:
    return {"all": np.full(len(has_text), True), "with_text": has_text, "without_text": ~has_text}[scope]


def _mask(values: Any) -> Mask:
    return np.asarray(
        values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy(),
        dtype=bool,
    )
