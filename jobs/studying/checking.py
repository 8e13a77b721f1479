"""Whether a study's commands can be given at all: every mistake in them is told before the first one runs."""

from __future__ import annotations

from collections.abc import Sequence

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from jobs.command.mistakes import explain
from jobs.studying.commands import train_overrides
from jobs.studying.settings import Settings
from jobs.training import parts
from pipeline.errors import UserError


def check(settings: Settings) -> None:
    """Put together the settings of every ingest, size and evaluation; UserError says whose are wrong, and how."""
    for corpus in settings.corpora:
        _composed(f"corpus {corpus!r} cannot be ingested", "ingest", settings.ingest_overrides(corpus))
    for size, cell in {cell.size: cell for cell in settings.cells()}.items():
        where = f"size {size!r} cannot be trained"
        config = _composed(where, "train", train_overrides(settings, cell, "none"))
        try:
            parts.read_settings(config).dims(n_vocab=1)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
    _composed("trained cells cannot be asked", "evaluate", settings.evaluate)


def _composed(what: str, job: str, overrides: Sequence[str]) -> DictConfig:
    try:
        return compose(job, list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        mine = GlobalHydra.instance().hydra
        GlobalHydra.instance().clear()  # Hydra knows one command at a time, and explaining needs the other one
        try:
            raise UserError(f"{what}: {explain(error, job, overrides)}") from error
        finally:
            GlobalHydra.instance().hydra = mine
