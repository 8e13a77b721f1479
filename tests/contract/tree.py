"""The files of the repository, as the contract tests read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("pipeline", "model", "jobs")
TEXT_SUFFIXES = {"", ".cfg", ".j2", ".ipynb", ".md", ".py", ".pyi", ".sh", ".toml", ".txt", ".yaml", ".yml"}


@dataclass(frozen=True)
class Source:
    """A Python file: its path in the repository and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Parse it once."""
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> str:
        """Dotted name it is imported by."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def files() -> Iterator[Path]:
    """Walk what git would track: everything .gitignore does not name."""
    yield from _walk(ROOT, [*_ignored(), ".git"])


def sources(*folders: str) -> list[Source]:
    """Read the Python files under some top folders, in order of their paths."""
    found = [path.relative_to(ROOT) for path in files() if path.suffix == ".py"]
    return [_source(path) for path in sorted(found) if not folders or path.parts[0] in folders]


def texts() -> list[tuple[str, str]]:
    """Read the files a person reads, as (path, text)."""
    found = sorted(path for path in files() if path.suffix in TEXT_SUFFIXES)
    return [(str(path.relative_to(ROOT)), path.read_text()) for path in found]


@cache
def _source(path: Path) -> Source:
    return Source(str(path), (ROOT / path).read_text())


def _walk(folder: Path, ignored: list[str]) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if _is_ignored(entry, ignored):
            continue
        if entry.is_dir():
            yield from _walk(entry, ignored)
        else:
            yield entry


def _ignored() -> list[str]:
    lines = (ROOT / ".gitignore").read_text().splitlines()
    return [line.rstrip("/") for line in lines if line and not line.startswith("#")]


def _is_ignored(path: Path, patterns: list[str]) -> bool:
    at_root = "/" + str(path.relative_to(ROOT))
    return any(fnmatch(at_root if "/" in pattern else path.name, pattern) for pattern in patterns)
