"""From a transcription's configuration to its parts: how items become features, where the texts go."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from jobs.transcribing.inputs import Item
from model.checkpoint import Loaded, load
from model.decoding.batch import Batch
from model.decoding.engine import Engine
from model.decoding.longform import LongformOptions, Recording, Transcriber
from model.decoding.options import DecodeOptions
from model.decoding.transcript import WRITERS, Transcript
from model.mel import log_mel
from pipeline import store
from pipeline.errors import DataError, UserError, unknown_name
from pipeline.voice import find_speech


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """conf/transcribe.yaml, typed; without `data_root` all is done here, one after the other."""

    checkpoint: str
    inputs: str | Sequence[str]
    out: str
    formats: Sequence[str]
    overwrite: bool
    ablate: bool
    device: str
    int8: bool
    num_threads: int | None
    batch_size: int
    pads_windows: bool | None
    longform: LongformOptions
    decode: DecodeOptions
    data_root: str | None
    items_per_unit: int
    executor: dict[str, Any]
    log: str

    def __post_init__(self) -> None:
        for name in self.formats:
            if name not in WRITERS:
                raise unknown_name("format", name, WRITERS)
        if self.batch_size < 1 or self.items_per_unit < 1:
            raise UserError(
                f"batch_size {self.batch_size} and items_per_unit {self.items_per_unit} leave nothing to do; "
                "expected 1 or more; try 8 and 64"
            )


@dataclass(frozen=True, slots=True)
class Model:
    """A checkpoint and the engine made of it."""

    loaded: Loaded
    engine: Engine

    def transcriber(self, decode: DecodeOptions, longform: LongformOptions, batch_size: int) -> Transcriber:
        """Return a transcriber of these options."""
        batch = Batch(self.engine, self.loaded.tokenizer, decode, batch_size)
        return Transcriber(batch, longform, self.loaded.alignment_heads)


def load_model(settings: Settings) -> Model:
    """Load the checkpoint and make it ready, once a process."""
    if settings.num_threads is not None:
        torch.set_num_threads(settings.num_threads)
    return _load(settings.checkpoint, settings.device, settings.int8, settings.pads_windows)


@functools.lru_cache(maxsize=1)
def _load(checkpoint: str, device: str, int8: bool, pads_windows: bool | None) -> Model:
    loaded = load(checkpoint, device)
    pads = loaded.pads_windows if pads_windows is None else pads_windows
    return Model(loaded, Engine(loaded.net, int8, pads))


def targets(item: Item, settings: Settings) -> dict[str, str]:
    """Return where an item's transcripts go, by format."""
    return {name: store.join(settings.out, f"{item.file_name}.{name}") for name in settings.formats}


def is_done(item: Item, settings: Settings) -> bool:
    """Tell whether every format of an item is there and may stay."""
    return not settings.overwrite and all(map(store.exists, targets(item, settings).values()))


def write(transcript: Transcript, item: Item, settings: Settings) -> None:
    """Write a transcript in each format; a file is there whole or not at all."""
    for name, uri in targets(item, settings).items():
        store.publish(uri, WRITERS[name](transcript).encode())


def hear(item: Item, settings: Settings, model: Model) -> Recording:
    """Decode an item and compute its features; DataError names one that cannot be."""
    samples = item.samples()
    try:
        mel_BFT = log_mel(torch.from_numpy(samples)[None].to(settings.device), model.engine.dims.n_mels)
    except DataError as error:
        raise DataError(f"file {item.uri} cannot be transcribed: {error}") from error
    speech = tuple(find_speech(samples)) if settings.longform.needs_speech else ()
    lang = item.lang if item.lang in model.loaded.tokenizer.codes else None
    return Recording(name=item.name, mel_FT=mel_BFT[0], speech=speech, lang=lang)


def hear_all(items: Iterable[Item], settings: Settings, model: Model, failures: dict[str, str]) -> Iterator[Recording]:
    """Hear items one after the other; what cannot be heard is added to `failures` by name."""
    for item in items:
        try:
            yield hear(item, settings, model)
        except DataError as error:
            failures[item.name] = str(error)
