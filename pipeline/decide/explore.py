"""What a rule's threshold costs: hours kept for each threshold, and what another one would add or remove.

A window counts under a rule when every other reason lets it pass, so that a curve shows what this rule alone decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.decide.rules import Mask, Rule
from pipeline.errors import UserError, unknown_name

NUM_POINTS = 9
MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """What is known of each window: how long it is, its language, the reasons against it; all in one order."""

    duration_ms: NDArray[np.int64]
    lang: NDArray[np.object_]
    reasons: pa.ChunkedArray
    has_text: Mask

    def only_against(self, rule: Rule) -> Mask:
        """Mark windows against which nothing but this rule speaks, if anything does."""
        own = pa.array([rule.reason, f"unmeasured:{rule.column}"])
        flat = pc.list_flatten(self.reasons)
        parents = np.asarray(pc.list_parent_indices(self.reasons).combine_chunks())
        is_other = ~np.asarray(pc.is_in(flat, own).to_numpy(), dtype=bool)
        rejected = np.zeros(len(self.duration_ms), dtype=bool)
        rejected[parents[is_other]] = True
        return ~rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Hours kept at a threshold, in all and by language."""

    threshold: float
    hours: float
    by_lang: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What another threshold does: rows it adds and removes."""

    added: Mask
    removed: Mask


def curve(rule: Rule, side: str, values: pa.ChunkedArray, windows: Windows) -> list[Point]:
    """Return hours kept for thresholds from strict to lax, over the values' own range; `side` is min or max."""
    numbers = np.asarray(pc.fill_null(values.cast(pa.float64()), float("nan")).to_numpy())
    free = windows.only_against(rule) & in_scope(rule, windows.has_text)
    known = numbers[free & ~np.isnan(numbers)]
    if not len(known):
        return []
    grid = np.quantile(known, np.linspace(0, 1, NUM_POINTS))
    thresholds = sorted({*grid.tolist(), float(rule.keep[side])}, reverse=side == "min")
    return [
        _point(threshold, _kept(rule, {**rule.keep, side: threshold}, values) & free, windows)
        for threshold in thresholds
    ]


def propose(rule: Rule, keep: Mapping[str, Any], values: pa.ChunkedArray, windows: Windows) -> Change:
    """Compare a rule with the same rule under another `keep`."""
    free = windows.only_against(rule) & in_scope(rule, windows.has_text)
    before, after = _kept(rule, rule.keep, values), _kept(rule, keep, values)
    return Change(added=free & after & ~before, removed=free & before & ~after)


def hours_by_lang(rows: Mask, windows: Windows) -> dict[str, float]:
    """Sum the hours of some windows by their language, the longest first."""
    found: dict[str, float] = {}
    for lang in sorted(set(windows.lang[rows].tolist())):
        found[lang] = float(windows.duration_ms[rows & (windows.lang == lang)].sum()) / MS_PER_HOUR
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def nearest(rows: Mask, rule: Rule, values: pa.ChunkedArray, number: int) -> list[int]:
    """Return the rows closest to the rule's threshold: those a person should listen to."""
    numbers = np.asarray(pc.fill_null(values.cast(pa.float64()), float("nan")).to_numpy())
    limits = np.array([float(limit) for limit in rule.keep.values()])
    distance = np.nan_to_num(np.abs(numbers[:, None] - limits).min(axis=1), nan=np.inf)
    return sorted(np.flatnonzero(rows).tolist(), key=lambda row: (distance[row], row))[:number]


def sides(rule: Rule) -> Iterator[str]:
    """Yield the comparisons of a rule that have a threshold to move."""
    yield from (side for side in ("min", "max") if side in rule.keep)


def rule_named(reason: str, rules: Mapping[str, Rule]) -> Rule:
    """Look a rule up by its reason; UserError with the nearest one."""
    if reason not in rules:
        raise unknown_name("rule", reason, rules)
    if not list(sides(rules[reason])):
        raise UserError(
            f"rule {reason!r} compares with {dict(rules[reason].keep)}, which is no threshold; "
            "expected a rule with min or max; choose another"
        )
    return rules[reason]


def in_scope(rule: Rule, has_text: Mask) -> Mask:
    """Mark the windows a rule applies to."""
    return {"all": np.full(len(has_text), True), "with_text": has_text, "without_text": ~has_text}[rule.applies_to]


def _kept(rule: Rule, keep: Mapping[str, Any], values: pa.ChunkedArray) -> Mask:
    changed = Rule(
        reason=rule.reason,
        column=rule.column,
        keep=keep,
        why=rule.why,
        applies_to=rule.applies_to,
        null_is=rule.null_is,
    )
    return changed.passes(values)[0]


def _point(threshold: float, kept: Mask, windows: Windows) -> Point:
    hours = float(windows.duration_ms[kept].sum()) / MS_PER_HOUR
    return Point(threshold=threshold, hours=hours, by_lang=hours_by_lang(kept, windows))
