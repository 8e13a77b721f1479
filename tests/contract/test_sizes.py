"""Caps that keep every file readable in one sitting (CONTRIBUTING.md, Caps)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.contract.tree import Source, sources, texts

FILE_LINES = 400
FUNCTION_LINES = 60
NESTING = 3
PARAMETERS = 6
YAML_LINES = 60
JOB_LINES = 80

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


def violations(source: Source) -> list[str]:
    """Say which caps a file breaks."""
    found = [f"{source.path}: {complaint}" for complaint in _file_complaints(source)]
    for node in ast.walk(source.tree):
        if isinstance(node, Function):
            found += [f"{source.path}:{node.lineno} {node.name}: {text}" for text in _function_complaints(node)]
    return found


def yaml_violations(path: str, text: str) -> list[str]:
    """Say whether a configuration file is too long."""
    lines = _num_lines(text)
    return [f"{path}: {lines} lines; at most {YAML_LINES}"] if lines > YAML_LINES else []


def _file_complaints(source: Source) -> Iterator[str]:
    lines = _num_lines(source.text)
    cap = JOB_LINES if _is_job(source) else FILE_LINES
    if lines > cap:
        yield f"{lines} lines; at most {cap}"
    if source.path.endswith("__init__.py") and source.text:
        yield "not empty; an __init__.py imports and defines nothing"


def _function_complaints(function: Function) -> Iterator[str]:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if lines > FUNCTION_LINES:
        yield f"{lines} lines; at most {FUNCTION_LINES}"
    if (depth := _nesting(function.body)) > NESTING:
        yield f"blocks nested {depth} deep; at most {NESTING}"
    if (number := len(_parameters(function))) > PARAMETERS:
        yield f"{number} parameters; at most {PARAMETERS}; make a frozen dataclass"


def _nesting(body: list[ast.stmt]) -> int:
    return max((_depth(statement) for statement in body), default=0)


def _depth(statement: ast.stmt) -> int:
    if not isinstance(statement, BLOCKS):
        return 0
    if isinstance(statement, ast.If) and len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If):
        return max(1 + _nesting(statement.body), _depth(statement.orelse[0]))  # elif is no deeper
    return 1 + max(_nesting(body) for body in _bodies(statement))


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, [])
    for branch in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
        yield branch.body


def _parameters(function: Function) -> list[str]:
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    names = [item.arg for item in (*named, given.vararg, given.kwarg) if item]
    return [name for name in names if name not in {"self", "cls"}]


def _is_job(source: Source) -> bool:
    return source.path.startswith("jobs/") and '__name__ == "__main__"' in source.text


def _num_lines(text: str) -> int:
    return len(text.splitlines())


def test_no_file_or_function_breaks_a_cap() -> None:
    assert [violation for source in sources() for violation in violations(source)] == []


def test_no_configuration_file_is_longer_than_a_screen() -> None:
    configs = [(path, text) for path, text in texts() if path.endswith((".yaml", ".yml"))]
    assert [violation for path, text in configs for violation in yaml_violations(path, text)] == []


DEEP = "def f():\n for a in b:\n  if a:\n   with a:\n    try:\n     a()\n    finally:\n     b()"
ELIF = "def f(a):\n if a:\n  b()\n elif a:\n  b()\n elif a:\n  b()\n elif a:\n  b()\n else:\n  b()"


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("model/a.py", "x = 1\n" * 401, "401 lines"),
        ("model/a.py", "def f():\n" + "    x = 1\n" * 60, "61 lines"),
        ("model/a.py", DEEP, "4 deep"),
        ("model/a.py", "class A:\n def f(self, a, b, c, *, d, e, f, **g): ...", "7 parameters"),
        ("model/__init__.py", "import os", "not empty"),
        ("jobs/train.py", "x = 1\n" * 80 + 'if __name__ == "__main__": ...', "at most 80"),
    ],
)
def test_a_planted_breach_is_found(path: str, text: str, complaint: str) -> None:
    [violation] = violations(Source(path, text))
    assert complaint in violation


def test_what_just_fits_is_let_through() -> None:
    fits = "class A:\n def f(self, a, b, c, d, e, f): ...\n" + ELIF + "\n" + DEEP.replace("with a", "def a()")
    assert violations(Source("model/a.py", fits)) == []


def test_a_planted_long_configuration_is_found() -> None:
    assert yaml_violations("conf/a.yaml", "a: 1\n" * 61) == ["conf/a.yaml: 61 lines; at most 60"]
    assert yaml_violations("conf/a.yaml", "a: 1\n" * 60) == []
