"""The checks in conf/check: they judge columns their annotator measures, and do what their examples say."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name

import pyarrow as pa
import pytest
import yaml

from pipeline import schema
from pipeline.decide.rules import Check, Rule, try_examples

CHECKS = sorted((Path(__file__).parents[3] / "conf" / "check").glob("*.yaml"))


def load(path: Path) -> tuple[pa.Schema, Check]:
    """Read a check with the schema it judges: that of the family it names, else its annotator's."""
    plain = yaml.safe_load(path.read_text())
    rules = tuple(Rule(**rule) for rule in plain["rules"])
    if "family" not in plain:
        annotator = resolve_name(plain["annotator"].pop("_target_"))(**plain["annotator"])
        return annotator.SCHEMA, Check(family=annotator.NAME, rules=rules, examples=tuple(plain["examples"]))
    return schema.TABLES[plain["family"]], Check(family=plain["family"], rules=rules, examples=tuple(plain["examples"]))


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_a_check_judges_what_its_annotator_measures(path: Path) -> None:
    columns, check = load(path)
    assert {rule.column for rule in check.rules} <= set(columns.names)


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_a_check_does_what_its_examples_say_both_ways(path: Path) -> None:
    _, check = load(path)
    try_examples(path.stem, check)
    assert {example["keep"] for example in check.examples} == {True, False}
    tried = {column for example in check.examples for column in example["row"]}
    assert tried == {rule.column for rule in check.rules}
