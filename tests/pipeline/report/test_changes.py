"""A report says what changed against another one: amounts, settings and single windows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import artifact
from pipeline.artifact import Artifact
from pipeline.report.changes import Changes, Setting, compare
from pipeline.report.counts import Cell
from pipeline.report.html import to_html
from pipeline.report.plain import to_json
from pipeline.report.summary import Summary, summarise
from tests.pipeline.report.run import Tables, changed, run_of, silent_room, tables_of_run


def config(most: int) -> dict[str, Any]:
    return {"share": 0.1, "checks": [{"family": "timing", "rules": [{"reason": "fast", "keep": {"max": most}}]}]}


def published(root: Path, tables: Tables, made_by: dict[str, Any], num_parts: int = 1) -> Artifact:
    place = Artifact(root_uri=str(root), name="decision", fingerprint=artifact.fingerprint(made_by))
    run = run_of(tables, num_parts)
    for number in range(num_parts):
        artifact.publish_unit(place, number, {number: run.read("decision", number)}, ("reason",))
    artifact.publish_manifest(place, {"config": made_by}, num_parts)
    return place


def later() -> Tables:
    """Return the run with a looser rule: one window comes back, and one recording was added to it."""
    return changed(
        tables_of_run(), "decision", 6, reason="kept", reasons=[], kept=True, kind="transcribe", tasks=["transcribe"]
    )


def compared(decisions: tuple[Artifact, Artifact] | None = None) -> tuple[Summary, Changes]:
    before, after = (summarise(run_of(tables)) for tables in (tables_of_run(), later()))
    return after, compare(after, "before", json.loads(to_json(before)), decisions)


def test_amounts_are_compared_and_what_is_the_same_is_left_out() -> None:
    _, changes = compared()
    totals = {shift.name: (shift.num_before, shift.num_after) for shift in changes.totals}
    assert totals == {"candidates": (4, 4), "audio": (3, 3), "windows": (7, 7), "kept": (3, 4)}
    [reason] = changes.reasons
    assert (reason.name, reason.before_ms, reason.after_ms) == ("fast", 10_000, 0)
    assert [(shift.name, shift.after_ms - shift.before_ms) for shift in changes.languages] == [("sw", 10_000)]
    assert (changes.settings, changes.moved) == ((), None)


def test_settings_go_by_the_reasons_of_rules_and_windows_by_their_ids(tmp_path: Path) -> None:
    before, after = published(tmp_path, tables_of_run(), config(30)), published(tmp_path, later(), config(60))
    _, changes = compared((before, after))
    assert changes.settings == (Setting(name="checks.timing.rules.fast.keep.max", before="30", after="60"),)
    assert changes.moved == (Cell(row="fast", column="kept", num=1, duration_ms=10_000),)


def test_windows_of_one_run_only_are_absent_in_the_other(tmp_path: Path) -> None:
    fewer = tables_of_run()
    fewer["decision"] = fewer["decision"].slice(0, 6)
    before, after = published(tmp_path, fewer, {"a": 1}), published(tmp_path, tables_of_run(), {"a": 2})
    assert compared((before, after))[1].moved == (Cell(row="absent", column="fast", num=1, duration_ms=10_000),)
    assert compared((after, before))[1].moved == (Cell(row="fast", column="absent", num=1, duration_ms=10_000),)


def test_runs_cut_into_other_parts_are_not_joined(tmp_path: Path) -> None:
    before = published(tmp_path, tables_of_run(), {"a": 1}, num_parts=2)
    assert compared((before, published(tmp_path, later(), {"a": 2})))[1].moved is None


@pytest.mark.parametrize("has_decisions", [True, False])
def test_the_page_and_its_json_tell_of_it(tmp_path: Path, has_decisions: bool) -> None:
    places = (published(tmp_path, tables_of_run(), config(30)), published(tmp_path, later(), {"share": 0.2}))
    summary, changes = compared(places if has_decisions else None)
    page = to_html(summary, silent_room(summary), changes)
    assert '<section id="changes">' in page and ("cannot be compared one by one" in page) != has_decisions
    assert json.loads(to_json(summary, changes))["changes"]["name"] == "before"
