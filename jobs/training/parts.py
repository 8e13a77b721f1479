"""From the training configuration to a run's parts: card, data, module, trainer."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from jobs.command.config import instantiate
from model.alignment import MS_PER_POSITION
from model.checkpoint import Card
from model.data.corpus import Corpus, Reading, resolve_shards
from model.data.datamodule import SottoData
from model.data.examples import Encoder, LoaderConfig
from model.data.mixture import LossWeights, Mixture, Phases
from model.net import ModelDimensions
from model.training.estimate import Machine
from model.training.module import Logging, SottoModule
from model.training.optimisation import Optimisation
from model.training.preview import Preview
from model.training.saving import newest, set_aside
from model.training.start import Start
from model.training.trainer import CHECKPOINTS, TrainerConfig
from model.vocabulary import Vocabulary, VocabularySource
from pipeline.errors import UserError, unknown_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """conf/train.yaml, typed; `size` still lacks the vocabulary's size."""

    name: str
    data_root: str
    data: dict[str, Any]
    resume: str
    start: Start
    dry_run: bool
    size: Any
    vocabulary: VocabularySource
    mixture: Mixture | Phases
    loss_weights: LossWeights
    loader: LoaderConfig
    optimisation: Optimisation
    trainer: TrainerConfig
    machine: Machine
    preview: Preview
    tracking: dict[str, str | None]

    def dims(self, n_vocab: int) -> ModelDimensions:
        """Return the sizes of the model with a vocabulary of this size."""
        dims: ModelDimensions = self.size(n_vocab=n_vocab)
        if self.loader.tasks.max_tokens > dims.n_text_ctx:
            raise UserError(
                f"loader.tasks.max_tokens {self.loader.tasks.max_tokens} exceeds n_text_ctx {dims.n_text_ctx}; "
                "expected at most that; lower it or choose another size"
            )
        return dims

    @property
    def run_dir(self) -> Path:
        """Folder of the run's checkpoints and results."""
        return Path("runs") / self.name

    @property
    def checkpoints(self) -> Path:
        """Folder of the run's checkpoints."""
        return self.run_dir / CHECKPOINTS


def read_settings(cfg: DictConfig) -> Settings:
    """Build every part of the configuration; UserError names a setting that is unknown, missing or wrong."""
    known = list(Settings.__dataclass_fields__)
    for name in cfg:
        if str(name) not in known:
            raise unknown_name("setting", str(name), known)
    try:
        return Settings(**instantiate(cfg))
    except TypeError as error:
        raise UserError(f"settings are incomplete: {error}; expected {known}; choose an experiment") from error


def build(settings: Settings) -> tuple[SottoModule, SottoData]:
    """Open the shards, get the vocabulary, and build the network and its data."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings(
        "ignore", "(You have overridden|.*LeafSpec|`broadcast_buffers`)"
    )  # libraries about themselves
    shards_uri = resolve_shards(settings.data["shards"])
    pl.seed_everything(settings.loader.seed, verbose=False)
    reading: Reading = settings.data["reading"]
    corpus = Corpus(shards_uri, "train", reading)
    vocabulary = settings.vocabulary.build(corpus.texts)
    card = card_of(settings, vocabulary, shards_uri, corpus.fingerprint)
    encoder = Encoder(
        tokenizer=vocabulary.tokenizer(),
        n_mels=card.dims.n_mels,
        max_ms=card.dims.n_audio_ctx * MS_PER_POSITION,
        loss_weights=settings.loss_weights,
        aligns=bool(settings.optimisation.alignment_weight or settings.optimisation.guide_weight),
    )
    data = SottoData(shards_uri, settings.mixture, settings.loader, encoder, settings.optimisation.max_steps, reading)
    numbers = Logging(every=settings.trainer.log_every, peak_tflops=settings.trainer.peak_tflops)
    module = SottoModule(card, settings.optimisation, numbers, settings.loader.seed, settings.start)
    if settings.trainer.compile:
        module.compile_layers()
    return module, data


def checkpoint_to_resume(settings: Settings) -> Path | None:
    """Return where a run goes on; UserError for a checkpoint that does not exist. `no` sets the old ones aside."""
    if settings.resume == "auto":
        return newest(settings.checkpoints)
    if settings.resume == "no":
        if is_first_rank():
            set_aside(settings.checkpoints)
        return None
    if not Path(settings.resume).exists():
        raise UserError(
            f"resume {settings.resume} does not exist; expected auto, no or a checkpoint's path; "
            "auto takes the newest one of the run's folder"
        )
    return Path(settings.resume)


def is_first_rank() -> bool:
    """Tell whether this process is the run's first: by what started it, before the others are known."""
    rank: Any = rank_zero_only
    return rank.rank == 0


def card_of(settings: Settings, vocabulary: Vocabulary, shards_uri: str, shards_fingerprint: str) -> Card:
    """Describe the model to be trained."""
    return Card(
        dims=settings.dims(vocabulary.tokenizer().n_vocab),
        vocabulary=vocabulary,
        shards_uri=shards_uri,
        shards_fingerprint=shards_fingerprint,
        audio=settings.loader.audio,
    )


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Return the configuration as a run's parameters."""
    return {str(key): value for key, value in dict(OmegaConf.to_container(cfg, resolve=True)).items()}  # pyright: ignore[reportArgumentType, reportCallIssue]
