"""What changed against another run: in rows and hours, in settings, and window by window where both can be joined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import artifact
from pipeline.artifact import Artifact
from pipeline.report.counts import Cell, Counts
from pipeline.report.summary import REJECTED, Summary

MOVES_COLUMNS = ("segment_id", "reason", "duration_ms")
ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Rows and audio of one name in the other run and in this one."""

    name: str
    num_before: int
    num_after: int
    before_ms: int
    after_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting that differs; '' where a run has none."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """This run against another one. `moved` counts windows by reason before x after; None where none can be joined."""

    name: str
    totals: tuple[Shift, ...]
    reasons: tuple[Shift, ...]
    languages: tuple[Shift, ...]
    settings: tuple[Setting, ...]
    moved: tuple[Cell, ...] | None


def compare(
    summary: Summary, name: str, other: Mapping[str, Any], decisions: tuple[Artifact, Artifact] | None
) -> Changes:
    """Compare a run with the JSON of another report, and their decisions (before, after) where both are there."""
    amounts = ("audio", "windows", "kept")
    now = (summary.audio, summary.windows, summary.kept)
    return Changes(
        name=name,
        totals=(
            _shift("candidates", _candidates(other["num_candidates"]), _candidates(summary.num_candidates)),
            *(_shift(what, other[what], line) for what, line in zip(amounts, now, strict=True)),
        ),
        reasons=_shifts(
            {reason["name"]: reason["first"] for reason in other["reasons"]},
            {reason.name: reason.first for reason in summary.reasons},
        ),
        languages=_shifts(_by_language(other["by_language"]), _by_language(map(asdict, summary.by_language))),
        settings=_settings(*map(_config, decisions)) if decisions else (),
        moved=_moved(*decisions) if decisions else None,
    )


def _candidates(number: int) -> Mapping[str, int]:
    return {"num": number, "duration_ms": 0}


def _config(decision: Artifact) -> Any:
    return artifact.read_manifest(decision)["identity"]["config"]


def _shifts(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Shift, ...]:
    shifts = [_shift(name, before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())]
    changed = [shift for shift in shifts if (shift.num_before, shift.before_ms) != (shift.num_after, shift.after_ms)]
    return tuple(sorted(changed, key=lambda shift: -abs(shift.after_ms - shift.before_ms)))


def _shift(name: str, before: Any, after: Any) -> Shift:
    first, second = _amounts(before), _amounts(after)
    return Shift(name=name, num_before=first[0], num_after=second[0], before_ms=first[1], after_ms=second[1])


def _amounts(line: Any) -> tuple[int, int]:
    if line is None:
        return 0, 0
    return (line["num"], line["duration_ms"]) if isinstance(line, Mapping) else (line.num, line.duration_ms)


def _by_language(cells: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    kept: dict[str, dict[str, int]] = {}
    for cell in cells:
        if cell["column"] != REJECTED:
            line = kept.setdefault(cell["row"], {"num": 0, "duration_ms": 0})
            line["num"] += cell["num"]
            line["duration_ms"] += cell["duration_ms"]
    return kept


def _settings(before: Any, after: Any) -> tuple[Setting, ...]:
    first, second = dict(_flat(before)), dict(_flat(after))
    return tuple(
        Setting(name=name, before=first.get(name, ""), after=second.get(name, ""))
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    )


def _flat(value: Any, path: str = "") -> Iterable[tuple[str, str]]:
    """Yield settings by path; rules go by their reasons, so that one more rule moves no other."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _flat(item, f"{path}.{_name_of(item, number)}" if path else _name_of(item, number))
    else:
        yield path, str(value)


def _name_of(item: Any, number: int) -> str:
    if isinstance(item, Mapping):
        return str(item.get("reason", item.get("family", number)))
    return str(number)


def _moved(before: Artifact, after: Artifact) -> tuple[Cell, ...] | None:
    """Count windows whose reason changed, part by part: a recording keeps its part while their number stays."""
    num_parts = artifact.num_parts(before)
    if num_parts != artifact.num_parts(after):
        return None
    counts = Counts("before", "after")
    for number in range(num_parts):
        counts.add(_moves(*(artifact.read_part(place, number, MOVES_COLUMNS) for place in (before, after))))
    return tuple(sorted(counts.cells(), key=lambda cell: -cell.duration_ms))


def _moves(before: pa.Table, after: pa.Table) -> pa.Table:
    names: Sequence[str] = ("before", "after", "duration_ms")
    place = pc.index_in(after["segment_id"], value_set=before["segment_id"].combine_chunks())
    was = pc.fill_null(before["reason"].take(place), ABSENT)
    gone = before.filter(pc.invert(pc.is_in(before["segment_id"], value_set=after["segment_id"].combine_chunks())))
    there = pa.table([was, after["reason"], after["duration_ms"]], names=names)
    absent = pa.array([ABSENT] * gone.num_rows, pa.string())
    left = pa.table([gone["reason"], absent, gone["duration_ms"]], names=names)
    both = pa.concat_tables([there, left.cast(there.schema)])
    return both.filter(pc.not_equal(both["before"], both["after"]))
