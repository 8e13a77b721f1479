"""From composed YAML to typed objects: only classes of pipeline and model may be named, and unknown keys are errors."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, cast

import hydra.utils
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from pipeline.errors import UserError, unknown_name

TARGET = "_target_"
ALLOWED_PREFIXES = ("pipeline.", "model.")


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
    names = inspect.signature(hydra.utils.get_class(target)).parameters
    for key in node:
        if not key.startswith("_") and key not in names:
            raise unknown_name(f"setting of {target}", key, names)
