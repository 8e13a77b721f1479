"""From composed YAML to typed objects: only classes of pipeline and model may be named, and unknown keys are errors."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, cast

import hydra.utils
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from pipeline.errors import UserError, unknown_name

CONF = str(Path(__file__).resolve().parents[2] / "conf")
TARGET = "_target_"
ALLOWED_PREFIXES = ("pipeline.", "model.")
Settings = TypeVar("Settings")
SIMPLE = {bool, int, float, str, type(None)}  # types of settings that are checked


def instantiate(config: DictConfig) -> Any:
    """Build the object a config node names; UserError for a foreign target, a missing value or an unknown key."""
    plain = OmegaConf.to_container(config, resolve=True)
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise UserError(f"settings {missing} have no value; they are required; give each as {missing[0]}=VALUE")
    for node in _nodes(plain):
        _check(node)
    try:
        return hydra.utils.instantiate(plain, _convert_="all")
    except InstantiationException as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None  # made for people; Hydra's wrapping hides it
        raise


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        node = cast(dict[str, Any], value)
        if TARGET in node:
            yield node
        value = list(node.values())
    if isinstance(value, list):
        for item in cast(list[Any], value):
            yield from _nodes(item)


def _check(node: dict[str, Any]) -> None:
    target = str(node[TARGET])
    if not target.startswith(ALLOWED_PREFIXES):
        raise UserError(
            f"config target {target!r} is not allowed; expected one under {ALLOWED_PREFIXES}; mend the YAML"
        )
    found = hydra.utils.get_class(target)
    names = inspect.signature(found).parameters
    for key in node:
        if not key.startswith("_") and key not in names:
            raise unknown_name(f"setting of {target}", key, names)
    check_types(found, node)


def typed(settings: type[Settings], node: DictConfig) -> Settings:
    """Build a dataclass of ours from a node without `_target_`; UserError for an unknown key or a wrong type."""
    values = cast(dict[str, Any], OmegaConf.to_container(node, resolve=True))
    names = inspect.signature(settings).parameters
    for key in values:
        if key not in names:
            raise unknown_name("setting", key, names)
    check_types(settings, values)
    return settings(**values)


def check_types(settings: type, values: Mapping[str, Any]) -> None:
    """Check the values that are to be numbers, words or yes and no; UserError names the one that is something else."""
    hints = typing.get_type_hints(settings.__init__)
    for key, value in values.items():
        hint = hints.get(key)
        kinds = typing.get_args(hint) if isinstance(hint, UnionType) else (hint,)
        if not SIMPLE.issuperset(kinds):
            continue
        allowed = (*kinds, int) if float in kinds else kinds
        if type(value) not in allowed:
            expected = " or ".join(str(getattr(kind, "__name__", kind)) for kind in kinds).replace("NoneType", "null")
            raise UserError(f"setting {key} {value!r} is a {type(value).__name__}; expected {expected}; mend it")
