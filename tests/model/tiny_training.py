"""A training run small enough for a test: a toy network, a toy corpus, six steps."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch import Callback

from model.checkpoint import Card
from model.data.augment import Augment
from model.data.batch import Batch
from model.data.corpus import Corpus
from model.data.datamodule import SottoData
from model.data.examples import Encoder, LoaderConfig
from model.data.loader import Slice, TrainingBatches, shares
from model.data.mixture import LossWeights, Temperature
from model.net import ModelDimensions
from model.tasks.base import TaskOptions
from model.training.module import Logging, SottoModule
from model.training.optimisation import Optimisation
from model.training.saving import newest
from model.training.start import Start
from model.training.trainer import CHECKPOINTS, TrainerConfig, make_trainer
from model.vocabulary import Vocabulary

OPTIMISATION = Optimisation(
    learning_rate=1e-3,
    warmup_steps=2,
    max_steps=6,
    beta1=0.9,
    beta2=0.98,
    eps=1e-6,
    weight_decay=0.1,
    clip_norm=1.0,
    alignment_weight=1.0,
    flat_start_steps=3,
)
LOADER = LoaderConfig(
    batch_size=4,
    pool_batches=2,
    num_workers=0,
    seed=0,
    audio="speech",
    augment=Augment(speed=0.1, freq_masks=1, max_freq_mask=20),
    tasks=TaskOptions(max_tokens=60),
)
TRAINER = TrainerConfig(
    accelerator="cpu",
    devices=1,
    num_nodes=1,
    strategy="auto",
    precision="32-true",
    accumulate=1,
    log_every=2,
    val_every=3,
    checkpoint_every=3,
)
MIXTURE = Temperature(alpha=0.0, pooled={"detect_language": 0.2})
WEIGHTS = LossWeights(
    language={"en": 1.0, "sw": 3.0, "und": 1.0},
    task={"transcribe": 1.0, "translate": 1.5, "detect_language": 2.0, "no_speech": 1.0},
)


def card(shards_uri: str = "none") -> Card:
    ranks = b"".join(b"%s %d\n" % (_base64(byte), byte) for byte in range(256))
    vocabulary = Vocabulary(ranks=ranks, num_languages=100)
    dims = ModelDimensions(
        n_mels=80,
        n_audio_ctx=75,
        n_audio_state=32,
        n_audio_head=1,
        n_audio_layer=1,
        n_vocab=vocabulary.tokenizer().n_vocab,
        n_text_ctx=60,
        n_text_state=32,
        n_text_head=1,
        n_text_layer=1,
    )
    return Card(dims=dims, vocabulary=vocabulary, shards_uri=shards_uri, shards_fingerprint="abc", audio="speech")


def _base64(byte: int) -> bytes:
    return base64.b64encode(bytes([byte]))


def module_of(
    shards_uri: str = "none",
    optimisation: Optimisation = OPTIMISATION,
    start: Start | None = None,
    wide: Card | None = None,
) -> SottoModule:
    pl.seed_everything(0, verbose=False)
    return SottoModule(wide or card(shards_uri), optimisation, Logging(every=2), seed=7, start=start)


def encoder() -> Encoder:
    return Encoder(tokenizer=card().vocabulary.tokenizer(), n_mels=80, max_ms=1500, loss_weights=WEIGHTS)


def batch_of(shards_uri: str, index: int = 0, part: Slice | None = None, config: LoaderConfig = LOADER) -> Batch:
    corpus = Corpus(shards_uri, "train")
    weights = shares(MIXTURE, corpus, config, OPTIMISATION.max_steps)
    return TrainingBatches(corpus, weights, config, encoder(), part or Slice())[index]


class Losses(Callback):
    """Keep what was logged."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.logged: dict[str, float] = {}

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.steps.append(float(outputs["loss"]))
        self.logged |= pl_module.seen


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """A run as jobs/train.py makes it; `resume` goes on from the folder's newest checkpoint."""

    run_dir: Path
    shards_uri: str
    optimisation: Optimisation = OPTIMISATION
    loader: LoaderConfig = LOADER
    trainer: TrainerConfig = TRAINER
    start: Start | None = None
    resume: bool = True
    compile: bool = False
    stop_at: int | None = None
    callbacks: Sequence[Callback] = ()

    @property
    def last(self) -> str:
        return f"{self.run_dir}/checkpoints/last.ckpt"

    def fit(self) -> tuple[SottoModule, Losses]:
        module, losses = module_of(self.shards_uri, self.optimisation, self.start), Losses()
        if self.compile:
            module.compile_layers()
        stop = [] if self.stop_at is None else [StopAt(self.stop_at)]
        callbacks = [losses, *self.callbacks, *stop]
        trainer = make_trainer(self.trainer, self.optimisation, str(self.run_dir), False, callbacks)
        data = SottoData(self.shards_uri, MIXTURE, self.loader, encoder(), self.optimisation.max_steps)
        found = newest(self.run_dir / CHECKPOINTS) if self.resume else None
        trainer.fit(module, data, ckpt_path=found, weights_only=True)
        return module, losses


class StopAt(Callback):
    """End early, as a kill right after a checkpoint would."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.global_step >= self._step
