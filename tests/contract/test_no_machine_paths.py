"""Files hold nothing that is true on one machine only, nothing half said, and no swallowed error."""

from __future__ import annotations

import ast
import re

import pytest

from tests.contract.tree import Source, sources, texts

# Written so that this file does not match itself.
BANNED = {
    r"(?<![\w.-])/w[o]rk/": "a path of one machine",
    r"(?<![\w.-])/t[m]p/w\b": "a path of one machine",
    r"(?<![\w.-])/(r[o]ot|h[o]me/\w+)/": "a path of one machine",
    r"(?<![\w/])(\.\./)*s[h]ared/": "a folder outside the repository",
    r"\b(TO[D]O|FIX[M]E|XX[X])\b(?!\(#\d+\))": "a plan without an issue; write TO" + "DO(#12) or do it",
}


def text_violations(path: str, text: str) -> list[str]:
    """Say which lines name a machine or a plan without an issue."""
    return [
        f"{path}:{number}: {complaint}"
        for number, line in enumerate(text.splitlines(), 1)
        for pattern, complaint in BANNED.items()
        if re.search(pattern, line)
    ]


def swallowed_errors(source: Source) -> list[str]:
    """Say where a handler does nothing."""
    return [
        f"{source.path}:{node.lineno}: an except that only passes; handle the error, or name it in a value"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and all(_is_nothing(statement) for statement in node.body)
    ]


def _is_nothing(statement: ast.stmt) -> bool:
    is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass) or is_constant


def test_no_file_names_a_machine_or_a_plan_without_an_issue() -> None:
    assert [violation for path, text in texts() for violation in text_violations(path, text)] == []


def test_no_handler_swallows_an_error() -> None:
    assert [violation for source in sources() for violation in swallowed_errors(source)] == []


@pytest.mark.parametrize(
    "line",
    [
        "root = '/wo" + "rk/data'",
        "see /tm" + "p/w/notes.txt",
        "/ho" + "me/ada/corpus",
        "read ../sha" + "red/design.md",
        "# TO" + "DO: later",
        "# FIX" + "ME",
    ],
)
def test_a_planted_line_is_found(line: str) -> None:
    assert len(text_violations("a.md", line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "a network/work/flow",
        "TO" + "DO(#12): measure on a GPU",
        "/tmp/world",
        "unsha" + "red/",
        "s3://a/work/",
    ],
)
def test_a_harmless_line_is_let_through(line: str) -> None:
    assert text_violations("a.md", line) == []


def test_a_planted_swallowed_error_is_found() -> None:
    assert len(swallowed_errors(Source("a.py", "try:\n    f()\nexcept OSError:\n    pass"))) == 1
    assert len(swallowed_errors(Source("a.py", "try:\n    f()\nexcept OSError:\n    ..."))) == 1
    assert swallowed_errors(Source("a.py", "try:\n    f()\nexcept OSError:\n    return None")) == []
