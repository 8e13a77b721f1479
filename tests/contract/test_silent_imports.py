"""Importing a module of Sotto does nothing but define names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.tree import CODE, ROOT, sources

PROBE = Path(__file__).with_name("import_probe.py")


def effects(root: Path, modules: list[str]) -> dict[str, list[str]]:
    """Import modules in a fresh process and return what each does beside defining names."""
    command = [sys.executable, str(PROBE), str(root), *modules]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_no_module_has_an_effect_when_imported() -> None:
    assert effects(ROOT, [source.module for source in sources(*CODE)]) == {}


PLANTED = {
    "prints": ("print('hello')", "prints 'hello"),
    "warns": ("import warnings\nwarnings.warn('old')", "prints"),
    "sets_threads": ("import torch\ntorch.set_num_threads(torch.get_num_threads() + 1)", "torch threads"),
    "starts_thread": (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        "running threads",
    ),
    "opens_socket": ("import socket\nheld = socket.socket()", "opens a socket"),
    "sets_environ": ("import os\nos.environ['SOTTO'] = '1'", "the environment"),
    "seeds": ("import random\nrandom.seed(1)", "the random state"),
    "is_slow": ("sum(range(10**8))", "takes"),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Probe one small module per effect, and a silent one."""
    root = tmp_path_factory.mktemp("planted")
    for name, (text, _) in PLANTED.items():
        (root / f"{name}.py").write_text(text)
    (root / "silent.py").write_text("import os\nNAME = 'silent'")
    return effects(root, [*PLANTED, "silent"])


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_effect_is_found(planted: dict[str, list[str]], name: str) -> None:
    [effect] = planted[name]
    assert PLANTED[name][1] in effect


def test_a_silent_module_is_let_through(planted: dict[str, list[str]]) -> None:
    assert "silent" not in planted
