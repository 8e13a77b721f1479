"""Imports point down only, and each outside framework is known in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath

import pytest

from tests.contract.tree import CODE, Source, sources

LAYERS = {
    0: {"pipeline.schema", "pipeline.columns", "pipeline.families", "pipeline.languages", "pipeline.errors"},
    1: {"pipeline.store", "pipeline.artifact", "pipeline.tables", "pipeline.tar", "pipeline.ids"},
    2: {
        "pipeline.audio",
        "pipeline.decoder",
        "pipeline.embedded_file",
        "pipeline.ffmpeg",
        "pipeline.hosts",
        "pipeline.optouts",
        "pipeline.page",
        "pipeline.ranking",
        "pipeline.redact",
        "pipeline.rows",
        "pipeline.sidecars",
        "pipeline.suffixes",
        "pipeline.takedown",
        "pipeline.text",
        "pipeline.stage",
        "pipeline.sync",
        "pipeline.unions",
        "pipeline.unpacked",
        "pipeline.voice",
    },
    3: {
        "pipeline.sources",
        "pipeline.fetch",
        "pipeline.segment",
        "pipeline.annotate",
        "pipeline.dedup",
        "pipeline.decide",
        "pipeline.ledger",
        "pipeline.shard",
        "pipeline.verify",
        "pipeline.report",
        "pipeline.card",
    },
    4: {"model"},
    5: {"jobs"},
}
HOMES = {
    "ray": ("jobs.running.executor", "jobs.ray_train"),
    "mlflow": ("jobs.tracking.runs",),
    "hydra": ("jobs",),
    "omegaconf": ("jobs",),
    "lightning": ("model", "jobs"),
    "pytorch_lightning": (),  # a second class hierarchy: isinstance of a lightning.pytorch class is False
}
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}


def imports(source: Source) -> Iterator[str]:
    """Name every module a file imports, wherever the statement stands, `from a import b` as a.b."""
    package = source.module if source.path.endswith("__init__.py") else source.module.rpartition(".")[0]
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = _absolute(package, module, level)
                yield from (f"{base}.{alias.name}" for alias in names)
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
                yield name
            case _:
                continue


def layer_of(module: str) -> tuple[int, str] | None:
    """Return the layer a module belongs to and the entry that puts it there; None for others' modules."""
    owners = [(layer, name) for layer, names in LAYERS.items() for name in names if _is_under(module, name)]
    return owners[0] if owners else None


def layer_violations(source: Source) -> list[str]:
    """Say which imports of a file point up or sideways."""
    mine = layer_of(source.module)
    if mine is None:
        return [f"{source.path} has no layer; add it to LAYERS in tests/contract/test_layers.py"]
    found: list[str] = []
    for target in imports(source):
        theirs = layer_of(target)
        if target.partition(".")[0] in {"tests", "notebooks"}:
            found.append(f"{source.path} imports {target}; nothing imports tests or notebooks")
        elif theirs is None or theirs == mine:
            continue
        elif theirs[0] > mine[0]:
            found.append(f"{source.path} (layer {mine[0]}) imports {target} (layer {theirs[0]}); imports point down")
        elif theirs[0] == 3 and mine[0] in {3, 4}:
            found.append(f"{source.path} imports {target}; the tables and tars are the only way between the two")
    return found


def home_violations(source: Source) -> list[str]:
    """Say which frameworks a file imports that are none of its business."""
    return [
        f"{source.path} imports {target}; only {list(HOMES[top])} may"
        for target in imports(source)
        if (top := target.partition(".")[0]) in HOMES and not any(_is_under(source.module, home) for home in HOMES[top])
    ]


def cycle(files: Iterable[Source]) -> list[str]:
    """Return modules that import each other in a circle, or nothing."""
    by_module = {source.module: source for source in files}
    graph = {
        module: {owner for target in imports(source) if (owner := _owner(target, set(by_module)))}
        for module, source in by_module.items()
    }
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def _owner(target: str, modules: set[str]) -> str | None:
    return next((name for name in (target, target.rpartition(".")[0]) if name in modules), None)


def _absolute(package: str, module: str | None, level: int) -> str:
    if level == 0:
        return module or ""
    base = ".".join(package.split(".")[: len(package.split(".")) - level + 1])
    return f"{base}.{module}" if module else base


def _is_under(module: str, name: str) -> bool:
    return module == name or module.startswith(name + ".")


def code() -> list[Source]:
    """Read the product's modules; the empty __init__ files belong to no layer."""
    return [source for source in sources(*CODE) if not source.path.endswith("__init__.py")]


def test_imports_point_down_and_stages_do_not_know_each_other() -> None:
    assert [violation for source in code() for violation in layer_violations(source)] == []


def test_each_framework_is_known_in_one_place() -> None:
    assert [violation for source in code() for violation in home_violations(source)] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert cycle(code()) == []


def test_no_module_has_a_name_that_could_hold_anything() -> None:
    vague = [
        source.path
        for source in sources()
        if VAGUE_NAMES & {part.removesuffix(".py") for part in PurePosixPath(source.path).parts}
    ]
    assert vague == []


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("pipeline/store.py", "from pipeline.audio import decode", "imports point down"),
        ("pipeline/store.py", "def f():\n    import pipeline.stage", "imports point down"),
        ("pipeline/fetch/http.py", "from pipeline import decide", "the only way between"),
        ("pipeline/fetch/http.py", "from ..decide import rules", "the only way between"),
        ("pipeline/text.py", "import importlib\nimportlib.import_module('model.net')", "imports point down"),
        ("model/net.py", "from pipeline.shard import write", "the only way between"),
        ("model/net.py", "from jobs import flow", "imports point down"),
        ("pipeline/tar.py", "from tests.contract import tree", "nothing imports tests"),
        ("pipeline/shapes.py", "", "has no layer"),
    ],
)
def test_a_planted_import_is_found(path: str, text: str, complaint: str) -> None:
    [violation] = layer_violations(Source(path, text))
    assert complaint in violation


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pipeline/fetch/stage.py", "import ray"),
        ("jobs/running/flow.py", "def run():\n    from ray.util import queue"),
        ("jobs/running/executor.py", "import mlflow.tracking"),
        ("model/train.py", "from hydra.utils import instantiate"),
        ("model/train.py", "import pytorch_lightning"),
    ],
)
def test_a_planted_framework_is_found(path: str, text: str) -> None:
    assert len(home_violations(Source(path, text))) == 1


def test_frameworks_are_welcome_at_home() -> None:
    assert home_violations(Source("jobs/running/executor.py", "import ray")) == []
    assert home_violations(Source("model/train.py", "import lightning.pytorch as pl")) == []


def test_a_planted_circle_is_found() -> None:
    one = Source("model/one.py", "from model.two import f")
    two = Source("model/two.py", "def f():\n    import model.one")
    assert set(cycle([one, two])) == {"model.one", "model.two"}
    assert cycle([one, Source("model/two.py", "")]) == []
