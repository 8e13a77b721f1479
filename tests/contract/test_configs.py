"""Every configuration composes, and names only our own classes and settings they have."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tests.contract.tree import ROOT

CONF = ROOT / "conf"
JOBS = (
    "ingest",
    "train",
    "evaluate",
    "export",
    "transcribe",
    "takedown",
    "verify",
    "doctor",
    "plan",
    "study",
    "ray_train",
)
PREFIXES = ("pipeline.", "model.")

Config = dict[str, Any]


def composed(job: str, *overrides: str, conf: Path = CONF) -> tuple[Config, dict[str, str]]:
    """Compose a job's configuration; returns it with the chosen option of each group."""
    with initialize_config_dir(str(conf), version_base=None):
        config = compose(job, [*overrides], return_hydra_config=True)
    choices = {str(key): str(value) for key, value in config.hydra.runtime.choices.items()}
    with_values = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return dict(OmegaConf.to_container(with_values)), {  # type: ignore[arg-type]
        key: value for key, value in choices.items() if not key.startswith("hydra/")
    }


def violations(value: Any, path: str = "") -> Iterator[str]:
    """Say which nodes name a class that is not ours or a setting their class does not have."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from violations(item, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    if "_target_" in value:
        yield from _target_violations(value, path)
    for key, item in value.items():
        yield from violations(item, f"{path}.{key}".lstrip("."))


def _target_violations(node: Config, path: str) -> Iterator[str]:
    target = str(node["_target_"])
    if not target.startswith(PREFIXES):
        yield f"{path}: {target} is not ours; a _target_ stands under {PREFIXES}"
        return
    try:
        parameters = inspect.signature(pkgutil.resolve_name(target)).parameters
    except (ImportError, AttributeError) as error:
        yield f"{path}: {target} does not exist: {error}"
        return
    unknown = [key for key in node if not key.startswith("_") and key not in parameters]
    if unknown:
        yield f"{path}: {target} has no settings {unknown}; it has {list(parameters)}"


def option_violations(group: str, option: str, conf: Path = CONF) -> list[str]:
    """Compose every job that uses a group with one of its options, and check what comes out."""
    users = [(job, key) for job in _jobs(conf) for key in _choices(job, conf) if key.split("@")[0] == group]
    if not users:
        return [f"conf/{group}/{option}.yaml is used by no job; name its group in one's defaults, or delete it"]
    found: list[str] = []
    for job, key in dict(users).items():  # one place of a group per job is enough
        try:
            found += violations(composed(job, f"{key}={option}", conf=conf)[0])
        except (HydraException, OmegaConfBaseException) as error:
            found.append(f"{job} {key}={option} does not compose: {error}")
    return found


def experiment_violations(name: str, conf: Path = CONF) -> list[str]:
    """Check that an experiment composes with a job, train first; an experiment is written for one of them."""
    errors: list[str] = []
    for job in _jobs(conf):
        try:
            return list(violations(composed(job, f"+experiment={name}", conf=conf)[0]))
        except (HydraException, OmegaConfBaseException) as error:
            errors.append(f"{job} +experiment={name} does not compose: {error}")
    return errors


def _jobs(conf: Path) -> list[str]:
    names = {path.stem for path in conf.glob("*.yaml")}
    return [job for job in ("train", "ingest", "evaluate", "study") if job in names]


@cache
def _choices(job: str, conf: Path) -> tuple[str, ...]:
    return tuple(composed(job, conf=conf)[1])


def _options(conf: Path) -> list[tuple[str, str]]:
    found = sorted(path.relative_to(conf) for path in conf.rglob("*.yaml") if path.parent != conf)
    return [(str(path.parent), path.stem) for path in found if path.parts[0] not in ("experiment", "cluster")]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_composes_as_it_is(job: str) -> None:
    assert list(violations(composed(job)[0])) == []


@pytest.mark.parametrize(("group", "option"), _options(CONF))
def test_a_job_composes_with_every_option(group: str, option: str) -> None:
    assert option_violations(group, option) == []


@pytest.mark.parametrize("name", sorted(path.stem for path in CONF.glob("experiment/*.yaml")))
def test_an_experiment_composes(name: str) -> None:
    assert experiment_violations(name) == []


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Make a small configuration with one job, a good option and bad ones."""
    files = {
        "train.yaml": "defaults: [{size: good}, _self_]\nlr: 1\n",
        "size/good.yaml": "_target_: pipeline.errors.unknown_name\nwhat: size\nvalue: x\nknown: []\n",
        "size/foreign.yaml": "_target_: os.system\ncommand: ls\n",
        "size/gone.yaml": "_target_: pipeline.errors.forgotten\n",
        "size/typo.yaml": "_target_: pipeline.errors.unknown_name\nvalues: x\n",
        "orphan/alone.yaml": "a: 1\n",
        "experiment/good.yaml": "# @package _global_\nlr: 2\n",
        "experiment/bad.yaml": "# @package _global_\ndefaults: [{override /size: huge}]\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("group", "option", "complaint"),
    [
        ("size", "foreign", "is not ours"),
        ("size", "gone", "does not exist"),
        ("size", "typo", "has no settings ['values']"),
        ("orphan", "alone", "is used by no job"),
    ],
)
def test_a_planted_bad_option_is_found(planted: Path, group: str, option: str, complaint: str) -> None:
    [violation] = option_violations(group, option, planted)
    assert complaint in violation


def test_a_planted_bad_experiment_is_found(planted: Path) -> None:
    [violation] = experiment_violations("bad", planted)
    assert "does not compose" in violation and "huge" in violation


def test_what_is_right_is_let_through(planted: Path) -> None:
    assert option_violations("size", "good", planted) == []
    assert experiment_violations("good", planted) == []
