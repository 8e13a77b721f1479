"""What changes when units run on other machines: folders must mean the same there, and the code travels along."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omegaconf import DictConfig, OmegaConf

from pipeline import store
from pipeline.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
KNOCK_S = 5.0
IN_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # Ray sets it for what `ray job submit` runs, whose code has travelled already


def settle_places(cfg: DictConfig, environment: Mapping[str, str] = os.environ) -> None:
    """Make the data root mean the same in every worker; UserError for a place that cannot, or that goes with a job."""
    if not cfg.executor.address:
        return
    if IN_JOB in environment:
        for name, uri in (("data_root", cfg.data_root), ("tracking.uri", OmegaConf.select(cfg, "tracking.uri"))):
            if uri is not None and _is_relative(uri.removeprefix("sqlite:///")):
                raise UserError(
                    f"{name} {uri!r} lies in the job's own folder, which goes when the job ends; expected an absolute "
                    f"path or an address; give {name}= in ARGS"
                )
    if store.is_local(cfg.data_root):
        cfg.data_root = str(store.local_path(cfg.data_root).absolute())
    root = OmegaConf.select(cfg, "source.root")
    if isinstance(root, str) and _is_relative(root):
        raise UserError(
            f"source.root {root!r} is relative to a folder of this machine; expected an absolute path that every "
            f"machine of the cluster sees, or an address; give source.root={Path(root).absolute()}"
        )


def runtime_env(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return what workers of a cluster need beside their packages: this code, unless a job brought it.

    Ray leaves out .git, .venv and what .gitignore names.
    """
    return {} if IN_JOB in environment else {"working_dir": str(ROOT)}


def knock(address: str) -> None:
    """See whether something listens at a cluster's address (Ray tries for minutes); UserError where nothing does."""
    parts = urlsplit(address if "://" in address else f"ray://{address}")
    if parts.hostname is None or parts.port is None:
        return  # 'auto' and the like: Ray knows
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=KNOCK_S).close()
    except OSError as error:
        raise UserError(
            f"ray cluster {address} does not answer: {error}; expected host:port of a running head, or "
            "ray://host:10001; see make doctor"
        ) from error


def _is_relative(place: str) -> bool:
    return "://" not in place and not place.startswith(("/", "~"))
