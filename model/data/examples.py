"""One sample as one training example, and the held-out split as batches of them.

What is read and how it is changed is LoaderConfig; in which order is model/data/loader.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.random import Generator
from torch.utils.data import Dataset

from model.alignment import SPOKEN_TASKS, flat_targets, spoken_bytes, token_spans
from model.data.augment import Augment, disturb_tokens, draw_masks
from model.data.batch import Batch, Example, collate
from model.data.corpus import Corpus
from model.data.mixture import LossWeights
from model.mel import HOP, SAMPLE_RATE
from model.sample import Sample
from model.tasks.base import TaskOptions
from model.tasks.registry import task
from model.tokenizer import Tokenizer
from pipeline.errors import DataError, UserError

NOTHING = np.empty(0, dtype=np.int64)
PROMPT_TOKENS = 5  # sot, language, task, no_timestamps, eot


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderConfig:
    """What is read, in which order, and how it is changed.

    `batch_size` is global. Each stream mixes the samples of `shards_at_once` shards (0: of all its shards).
    `pool_batches` batches are drawn together and dealt by length, which saves padding; the mixture's shares then hold
    for the pool. With a `row_multiple` the batches of a pool take about equal time rather than equal rows: many short
    windows or few long ones, in multiples of it, which ranks times accumulation must divide. `max_epochs` bounds how
    often a stream may repeat in a run, `max_synthetic_share` how much of a task in a language machines may have spoken.
    `audio: silence` keeps everything but the sound: what a model learns from it is
    what text and length alone give away.
    """

    batch_size: int
    pool_batches: int
    num_workers: int
    seed: int
    audio: Literal["speech", "silence"]
    augment: Augment
    tasks: TaskOptions
    shards_at_once: int = 0
    row_multiple: int = 0
    max_epochs: float | None = None
    max_synthetic_share: float = 0.25

    def __post_init__(self) -> None:
        """Refuse an audio mode that does not exist, and rows that do not come out even."""
        if self.row_multiple and (self.batch_size % self.row_multiple or self.pool_batches < 2):
            raise UserError(
                f"loader.row_multiple {self.row_multiple} cannot deal pools of {self.pool_batches} batches of "
                f"{self.batch_size} rows; expected a divisor of the batch and two batches or more; change one of them"
            )
        if self.audio not in ("speech", "silence"):
            raise UserError(f"loader.audio {self.audio!r} does not exist; have speech, silence; choose one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """What turns samples into examples: vocabulary, mel bins, longest window, and loss weights (None: all count 1).

    Without `aligns` examples lack what model/alignment.py learns from, which takes a tenth of a loader's time.
    """

    tokenizer: Tokenizer
    n_mels: int
    max_ms: int
    loss_weights: LossWeights | None
    aligns: bool = True


class HeldOutBatches(Dataset[Batch]):
    """Every sample of a held-out split once for each stream it is in, by length, unchanged."""

    def __init__(self, corpus: Corpus, config: LoaderConfig, encoder: Encoder) -> None:
        """List the batches; previous text and timestamps are left out."""
        plain = replace(config.tasks, prev_text_prob=0.0, timestamp_prob=0.0)
        self._corpus, self._encoder = corpus, encoder
        self._config = replace(config, tasks=plain, augment=Augment())
        pairs = [(name, place) for name in corpus.pools for place in corpus.places(name)]
        pairs.sort(key=lambda pair: (corpus.duration_ms(*pair), pair))
        self._rows = [pairs[start : start + config.batch_size] for start in range(0, len(pairs), config.batch_size)]

    def __len__(self) -> int:
        """Count the batches."""
        return len(self._rows)

    def __getitem__(self, index: int) -> Batch:
        """Read, encode and pad one batch; windows that cannot serve their task are counted."""
        examples: list[Example] = []
        for stream, place in self._rows[index]:
            sample, name = self._corpus.read(stream, place), stream.split("-")[0]
            if task(name).eligible(sample) and fits(sample, self._encoder, self._config.tasks.max_tokens):
                rng = np.random.default_rng(0)
                examples.append(make_example(sample, name, self._config, self._encoder, rng))
        if not examples:
            raise DataError(
                f"held-out batch {index} of split {self._corpus.split!r} has no sample that can serve its task; "
                "expected some; ingest with other rules"
            )
        skipped = len(self._rows[index]) - len(examples)
        return collate(examples, pad_token=self._encoder.tokenizer.eot, num_skipped=skipped)


def make_example(sample: Sample, name: str, config: LoaderConfig, encoder: Encoder, rng: Generator) -> Example:
    """Write a sample as one example of a task."""
    assert sample.audio is not None
    encoded = task(name).encode(sample, encoder.tokenizer, config.tasks, rng)
    end = None if encoded.audio_ms is None else encoded.audio_ms * SAMPLE_RATE // 1000
    audio = sample.audio[:end]
    spoken = spoken_bytes(sample.text) if encoder.aligns and name in SPOKEN_TASKS else b""
    freq_masks, time_masks = draw_masks(config.augment, len(audio), encoder.n_mels, rng)
    return Example(
        segment_id=sample.segment_id,
        audio=np.zeros_like(audio) if config.audio == "silence" else audio,
        encoded=encoded,
        inputs=disturb_tokens(encoded, config.augment, encoder.tokenizer.num_text_tokens, rng),
        text=sample.text,
        task=name,
        lang=sample.lang,
        is_synthetic=sample.is_synthetic,
        weight=1.0 if encoder.loss_weights is None else encoder.loss_weights.of(name, sample.lang),
        freq_masks=freq_masks,
        time_masks=time_masks,
        spoken=spoken,
        spans=token_spans(encoded, sample, encoder.tokenizer) if spoken else NOTHING,
        flat_targets=flat_targets(sample, (len(audio) // HOP + 1) // 2) if spoken else NOTHING,
    )


def fits(sample: Sample, encoder: Encoder, max_tokens: int) -> bool:
    """Tell whether the model hears all of a sample and it takes at most so many tokens.

    A token is a byte or more, so most need no counting.
    """
    if sample.duration_ms > encoder.max_ms:
        return False
    timed_bytes = sum(len(cue.text.encode()) + 3 for cue in sample.cues)  # a space and two times
    most_bytes = max(timed_bytes, len(sample.text.encode()) + 1)
    return PROMPT_TOKENS + most_bytes <= max_tokens or most_tokens(sample, encoder) <= max_tokens


def most_tokens(sample: Sample, encoder: Encoder) -> int:
    """Return how many tokens a sample can take at most, with timestamps; previous text takes only what is left."""
    spoken = (f" {cue.text}" for cue in sample.cues)
    timed = sum(len(tokens) + 2 for tokens in map(encoder.tokenizer.encode, spoken))
    return PROMPT_TOKENS + max(timed, len(encoder.tokenizer.encode(f" {sample.text}")))
