"""Sotto's own readers for the loader benchmark, each in a process of its own, told what to do as the peers are.

`corpus` reads samples in the order of training; `batches` makes whole batches of them; `plain_batches` does that with
webdataset and nothing else of ours but the vocabulary.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import soundfile
import torch
from torch.nn.utils.rnn import pad_sequence

from jobs.benchmarks.loader_peers import Read, serve
from model.data.augment import Augment
from model.data.corpus import Corpus
from model.data.examples import Encoder, LoaderConfig
from model.data.loader import Slice, TrainingBatches, shares
from model.data.mixture import POOLED_TASKS, Temperature
from model.data.order import Order
from model.tasks.base import TaskOptions
from model.tokenizer import Tokenizer

BATCH_SIZE = 32


def corpus_reader(uri: str) -> Read:
    """Read every sample of the train split once, in the order of an epoch."""
    corpus = Corpus(uri, "train")
    streams = [name for name in corpus.pools if name not in POOLED_TASKS or name == "no_speech"]
    orders = {name: Order(corpus.shard_sizes(name), 0, name) for name in streams}
    return lambda: (
        corpus.read(name, orders[name].place(draw)) for name in streams for draw in range(corpus.size(name))
    )


def batch_reader(uri: str) -> Read:
    """Make as many examples as the split has samples, tokens and padding included, in batches, batch after batch."""
    batches, num_samples = training_batches(uri)
    position = 0

    def read() -> Iterator[Any]:
        nonlocal position
        for _ in range(num_samples // BATCH_SIZE):
            yield from batches[position].texts
            position += 1

    return read


def plain_batch_reader(uri: str) -> Read:
    """Do the least that makes batches of the same tars: webdataset, decode, tokens of the text, pad."""
    import webdataset as wds

    corpus, tokenizer = Corpus(uri, "train"), Tokenizer.openai()
    dataset: Any = wds.WebDataset(tars_of(corpus), shardshuffle=False)  # pyright: ignore[reportAttributeAccessIssue]

    def example(sample: dict[str, bytes]) -> tuple[torch.Tensor, torch.Tensor]:
        audio, _ = soundfile.read(io.BytesIO(sample["flac"]), dtype="float32")
        described = json.loads(sample["json"])
        task = "translate" if described["kind"] == "translate" else "transcribe"
        lang = "en" if described["lang"] == "und" else described["lang"]
        text = tokenizer.encode(f" {described['text']}")
        return torch.from_numpy(audio), torch.tensor([*tokenizer.sot_sequence(lang, task), *text, tokenizer.eot])

    def read() -> Iterator[Any]:
        for rows in dataset.map(example).batched(BATCH_SIZE, collation_fn=list):
            pad_sequence([audio for audio, _ in rows], batch_first=True)
            pad_sequence([tokens for _, tokens in rows], batch_first=True, padding_value=tokenizer.eot)
            yield from rows

    return read


def training_batches(uri: str) -> tuple[TrainingBatches, int]:
    """Return the batches of a training run without augmentation, and how many samples the split has."""
    corpus = Corpus(uri, "train")
    config = LoaderConfig(
        batch_size=BATCH_SIZE, pool_batches=1, num_workers=0, seed=0, audio="speech", augment=Augment(),
        tasks=TaskOptions(),
    )  # fmt: skip
    encoder = Encoder(tokenizer=Tokenizer.openai(), n_mels=80, max_ms=30_000, loss_weights=None, aligns=False)
    weights = shares(Temperature(alpha=0.5, pooled={"detect_language": 0.05}), corpus, config, 1)
    num_samples = sum(corpus.size(name) for name in corpus.pools if name != "detect_language")
    return TrainingBatches(corpus, weights, config, encoder, Slice()), num_samples


def tars_of(corpus: Corpus) -> list[str]:
    """Return the train split's tars, each once."""
    return sorted({shard.uri for pool in corpus.pools.values() for shard in pool.shards})


def main(name: str, uri: str) -> None:
    """Serve a reader, by its name."""
    readers = {"corpus": corpus_reader, "batches": batch_reader, "plain_batches": plain_batch_reader}
    torch.set_num_threads(1)
    serve(readers[name](uri))
