"""Mistakes on the command line in our own words: what is wrong, what there is, the nearest name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from jobs.command.config import CONF
from pipeline.errors import UserError, unknown_name

UNKNOWN = re.compile(r"^Could not (?:override|delete from config\.) '([^']+)'")


def explain(error: Exception, config_name: str, arguments: Sequence[str]) -> UserError:
    """Return what Hydra or OmegaConf complains of as an error for people."""
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        return unknown_name(group or "config", option, error.options)
    if isinstance(error, MissingMandatoryValue):
        name = str(error.full_key)
        return UserError(f"setting {name!r} has no value; it is required; give it as {name}=VALUE")
    if isinstance(error, OverrideParseException):
        bad = next((argument for argument in arguments if not _is_override(argument)), error.override)
        return UserError(f"argument {bad!r} cannot be read; expected name=value; quote values with brackets or commas")
    if found := UNKNOWN.match(str(error)):
        return unknown_setting(found[1], config_name)
    text = " ".join(str(error).split("\n")[0].split())
    return UserError(f"settings cannot be put together: {text}; expected those of conf/{config_name}.yaml; mend them")


def unknown_setting(name: str, config_name: str) -> UserError:
    """Build the error for a setting that does not exist, with those beside it or of the same name elsewhere."""
    with initialize_config_dir(CONF, version_base=None):
        known = list(_names(OmegaConf.to_container(compose(config_name))))
    parent, _, last = name.rpartition(".")
    beside = [other for other in known if other.rpartition(".")[0] == parent]
    elsewhere = [other for other in known if other.rpartition(".")[2] == last]
    return unknown_name("setting", name, elsewhere or beside or [other for other in known if "." not in other])


def _is_override(argument: str) -> bool:
    if argument.startswith("-"):
        return True
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True


def _names(value: Any, prefix: str = "") -> Iterator[str]:
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        if not str(key).startswith("_"):
            yield f"{prefix}{key}"
        yield from _names(item, f"{prefix}{key}.")
