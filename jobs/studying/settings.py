"""What a study compares: its settings, typed, and the cells of its grid."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from jobs.command.config import check_types, typed
from model.evaluation.normalisers import BASIC
from model.evaluation.results import NONE, measures
from model.training.saving import LAST
from pipeline.errors import UserError, unknown_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How a corpus is ingested: its own settings, whether checks reject, and which shares of it (null: the study's)."""

    ingest: Sequence[str] = ()
    rules: bool = True
    shares: Sequence[float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """conf/study.yaml, typed. `sizes` are those of conf/size, or settings of jobs/train.py with another size=NAME."""

    name: str
    data_root: str
    corpora: Mapping[str, Mapping[str, Any]]
    ingest: Sequence[str]
    sizes: Mapping[str, Sequence[str]]
    shares: Sequence[float]
    seeds: Sequence[int]
    steps: int
    train: Sequence[str]
    evaluate: Sequence[str]
    metrics: Sequence[str]
    resamples: int
    explain: bool
    tracking: Mapping[str, str]

    def __post_init__(self) -> None:
        for part in ("corpora", "sizes", "shares", "seeds", "metrics"):
            found = list(getattr(self, part))
            if not found or len(set(found)) < len(found):
                raise UserError(f"study has {part} {found}; expected one or more, none twice; mend {part}")
        for one in self.shares:
            if isinstance(one, str) or not 0 < one <= 1:
                raise UserError(f"share {one!r} cannot be taken; expected a number above 0 and up to 1; mend shares")
        for corpus in self.corpora:
            if beside := [one for one in self._own(corpus) if one not in self.shares]:
                raise UserError(
                    f"corpora.{corpus}.shares {beside} are none of the study's; expected some of {list(self.shares)}; "
                    "add them to shares"
                )
        known = [one.name for one in measures("transcribe", ()) if one.normaliser in (BASIC, NONE)]
        for metric in self.metrics:
            if metric not in known:
                raise unknown_name("metric", metric, known)

    @property
    def folder(self) -> Path:
        """Where the study's results lie."""
        return Path("runs") / self.name

    @property
    def judge(self) -> str:
        """The corpus whose held-out speech judges all."""
        return next(iter(self.corpora))

    def source(self, corpus: str) -> Source:
        """Return how a corpus is ingested."""
        return Source(**self.corpora[corpus])

    def ingest_overrides(self, corpus: str) -> list[str]:
        """Return the settings of jobs/ingest.py that make a corpus, but for its rules."""
        return [*self.ingest, *self.source(corpus).ingest]

    def cells(self) -> list[Cell]:
        """List the runs, seeds first to last: after each round all that is compared is there."""
        named = itertools.product(self.seeds, self.sizes, self.shares, self.corpora)
        return [
            Cell(corpus=corpus, size=size, share=share, seed=seed)
            for seed, size, share, corpus in named
            if share in self._own(corpus)
        ]

    def _own(self, corpus: str) -> Sequence[float]:
        own = self.corpora[corpus].get("shares")
        return self.shares if own is None else own


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run."""

    corpus: str
    size: str
    share: float
    seed: int

    @property
    def group(self) -> Group:
        """What its seeds have in common."""
        return Group(corpus=self.corpus, size=self.size, share=self.share)

    def run_name(self, study: str) -> str:
        """Return the name its run goes by."""
        return f"{study}/{self.corpus}-{self.size}-{self.share:g}-{self.seed}"

    def folder(self, study: str) -> Path:
        """Return where its run lies."""
        return Path("runs") / self.run_name(study)

    def checkpoint(self, study: str) -> Path:
        """Return where its last checkpoint lies."""
        return self.folder(study) / "checkpoints" / LAST


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Group:
    """The runs that differ in their seed only."""

    corpus: str
    size: str
    share: float


def read_settings(cfg: DictConfig) -> Settings:
    """Build the settings; UserError for a setting that does not exist, or a value that is of no use."""
    for name, given in cfg.corpora.items():
        for key in given:
            if key not in (known := [one.name for one in fields(Source)]):
                raise unknown_name(f"setting of corpora.{name}", str(key), known)
        check_types(Source, dict(given))
    return typed(Settings, cfg)
