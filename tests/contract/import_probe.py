"""Import modules in a fresh process and say, as JSON on the last line, what doing so did beside importing.

Usage: import_probe.py ROOT MODULE...  What the modules import from others is imported before the watch.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import io
import json
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import torch

OWN_SECONDS: dict[str, float] = {}


def main(root: Path, modules: list[str]) -> dict[str, list[str]]:
    """Return each module's side effects."""
    sys.path.insert(0, str(root))
    _time_imports()
    own = {path.name.removesuffix(".py") for path in root.iterdir()}
    for name in sorted({name for module in modules for name in _outside(root, module, own)}):
        with contextlib.suppress(ModuleNotFoundError):  # `from a import b` where b is no module
            importlib.import_module(name)
    return {module: effects for module in modules if (effects := _effects(module))}


def _effects(module: str) -> list[str]:
    sockets: list[object] = []
    before = _state()
    output = io.StringIO()
    create = socket.socket.__init__
    socket.socket.__init__ = lambda *args, **options: sockets.append(create(*args, **options))  # type: ignore[method-assign]
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            importlib.import_module(module)
    except ImportError as error:
        return [f"cannot be imported: {error}"]
    finally:
        socket.socket.__init__ = create  # type: ignore[method-assign]
    seconds = OWN_SECONDS[module]
    found = [f"changes {what}" for what, value in _state().items() if value != before[what]]
    if output.getvalue():
        found.append(f"prints {output.getvalue()[:200]!r}")
    if sockets:
        found.append("opens a socket")
    if seconds > 0.5:
        found.append(f"takes {seconds:.1f} s")
    return found


def _time_imports() -> None:
    """Keep what each module's own lines take: without what they import, whoever imports it first."""
    execute = SourceFileLoader.exec_module
    nested: list[float] = []

    def timed(self: SourceFileLoader, module: ModuleType) -> None:
        nested.append(0.0)
        started = time.process_time()
        try:
            execute(self, module)
        finally:
            seconds = time.process_time() - started
            OWN_SECONDS[module.__name__] = seconds - nested.pop()
            if nested:
                nested[-1] += seconds

    SourceFileLoader.exec_module = timed  # type: ignore[method-assign]


def _state() -> dict[str, object]:
    return {
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "running threads": threading.active_count(),
        "the environment": dict(os.environ),
        "the random state": (hash(random.getstate()), torch.initial_seed()),
    }


def _outside(root: Path, module: str, own: set[str]) -> Iterator[str]:
    path = root / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(file.read_text()).body:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.partition(".")[0] not in own)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2:])))
