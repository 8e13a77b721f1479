"""From the training configuration to a run's parts: card, data, module, trainer."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch import Callback, Trainer
from omegaconf import DictConfig, OmegaConf

from jobs.config import instantiate
from model.alignment import MS_PER_POSITION
from model.checkpoint import Card
from model.corpus import Corpus, Reading, resolve_shards
from model.datamodule import SottoData
from model.estimate import Machine
from model.examples import Encoder, LoaderConfig
from model.mixture import LossWeights, Mixture, Phases
from model.module import Optimisation, SottoModule
from model.net import ModelDimensions
from model.trainer import TrainerConfig
from model.vocabulary import Vocabulary, VocabularySource
from pipeline.errors import UserError, unknown_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """conf/train.yaml, typed; `size` still lacks the vocabulary's size."""

    name: str
    data_root: str
    data: dict[str, Any]
    resume: str | None
    dry_run: bool
    size: Any
    vocabulary: VocabularySource
    mixture: Mixture | Phases
    loss_weights: LossWeights
    loader: LoaderConfig
    optimisation: Optimisation
    trainer: TrainerConfig
    machine: Machine | None
    tracking: dict[str, str]

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
    def run_dir(self) -> str:
        """Folder of the run's checkpoints and results."""
        return f"runs/{self.name}"


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
    )
    data = SottoData(shards_uri, settings.mixture, settings.loader, encoder, settings.optimisation.max_steps, reading)
    return SottoModule(card, settings.optimisation, settings.trainer.log_every), data


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


class Report(Callback):
    """Print a line at each look at the held-out split."""

    def __init__(self) -> None:
        """Start the clock."""
        self._start_s = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Say how far training is and what it has learnt."""
        if not trainer.is_global_zero:
            return
        minutes = (time.monotonic() - self._start_s) / 60
        seen = {name: float(trainer.callback_metrics.get(name, float("nan"))) for name in ("loss", "held_out/all")}
        print(
            f"step {trainer.global_step:>6}/{trainer.max_steps}  {minutes:6.1f} min  "
            f"loss {seen['loss']:.3f}  held out {seen['held_out/all']:.3f}",
            flush=True,
        )
