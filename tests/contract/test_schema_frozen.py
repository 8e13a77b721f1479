"""The tables are a promise to whoever reads our files: no column changes by accident."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from pipeline.schema import SCHEMA_VERSION, TABLES
from tests.contract.tree import ROOT

GOLDEN = Path(__file__).with_name("schema.golden.txt")
ADVICE = (
    "raise SCHEMA_VERSION in pipeline/columns.py, say what changed in CHANGELOG.md, then run: "
    ".venv/bin/python -m tests.contract.test_schema_frozen"
)


def render(version: int, tables: Mapping[str, pa.Schema]) -> str:
    """Write every table, column and type, in order."""
    lines = [f"schema version {version}"]
    for name, schema in tables.items():
        lines += ["", name, *(f"  {field.name}: {field.type}" for field in schema)]
    return "\n".join(lines) + "\n"


def differences(golden: str, current: str) -> list[str]:
    """Return the lines only one of the two has, with a sign, or 'the order' where only that differs."""
    before, after = golden.splitlines(), current.splitlines()
    lines = [f"-{line}" for line in before if line not in after] + [f"+{line}" for line in after if line not in before]
    return lines or (["the order of columns"] if before != after else [])


def test_the_tables_are_those_of_the_golden_file() -> None:
    found = differences(GOLDEN.read_text(), render(SCHEMA_VERSION, TABLES))
    assert not found, f"the schema changed: {found}; {ADVICE}"


def test_the_changelog_knows_this_schema_version() -> None:
    assert f"Schema {SCHEMA_VERSION}" in (ROOT / "CHANGELOG.md").read_text(), ADVICE


def test_planted_changes_are_found() -> None:
    table = pa.schema([("a", pa.int64()), ("b", pa.string())])
    golden = render(1, {"t": table})
    assert differences(golden, golden) == []
    assert differences(golden, render(2, {"t": table})) == ["-schema version 1", "+schema version 2"]
    assert differences(golden, render(1, {"t": table.append(pa.field("c", pa.int64()))})) == ["+  c: int64"]
    assert differences(golden, render(1, {"t": table.set(0, pa.field("a", pa.float64()))})) == [
        "-  a: int64",
        "+  a: double",
    ]
    assert differences(golden, render(1, {"t": pa.schema(reversed(list(table)))})) == ["the order of columns"]


if __name__ == "__main__":
    GOLDEN.write_text(render(SCHEMA_VERSION, TABLES))
