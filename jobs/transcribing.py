"""From a transcription's configuration to its parts: which files, how they become features, where the texts go."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from model.checkpoint import Loaded, load
from model.decoding.batch import Batch
from model.decoding.engine import Engine
from model.decoding.longform import LongformOptions, Recording, Transcriber
from model.decoding.options import DecodeOptions
from model.decoding.speech import speech_spans
from model.decoding.transcript import WRITERS, Transcript
from model.mel import log_mel
from pipeline import decoder, store
from pipeline.audio import DecodeError
from pipeline.errors import DataError, UserError, unknown_name

SUFFIXES = frozenset(
    {".aac", ".flac", ".m4a", ".m4b", ".mka", ".mkv", ".mp3", ".mp4", ".ogg", ".opus", ".wav", ".webm"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """conf/transcribe.yaml, typed."""

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
    longform: LongformOptions
    decode: DecodeOptions

    def __post_init__(self) -> None:
        for name in self.formats:
            if name not in WRITERS:
                raise unknown_name("format", name, WRITERS)
        if self.batch_size < 1:
            raise UserError(f"batch_size {self.batch_size} decodes nothing; expected 1 or more; try 8")


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
    """Load the checkpoint and make it ready."""
    if settings.num_threads is not None:
        torch.set_num_threads(settings.num_threads)
    loaded = load(settings.checkpoint, settings.device)
    return Model(loaded, Engine(loaded.net, settings.int8))


def find_audio(inputs: str | Sequence[str]) -> list[Path]:
    """List the audio files that files, folders and patterns mean, each once; UserError when there are none."""
    given = [inputs] if isinstance(inputs, str) else list(inputs)
    found: dict[Path, None] = {}
    for one in given:
        path = Path(one)
        inside = (
            path.rglob("*") if path.is_dir() else map(Path, [one] if path.exists() else glob.glob(one, recursive=True))
        )
        chosen = sorted(
            file for file in inside if file.is_file() and (path.is_file() or file.suffix.lower() in SUFFIXES)
        )
        if not chosen:
            raise UserError(
                f"input {one!r} names no audio; expected a file, a folder or a pattern; suffixes are {sorted(SUFFIXES)}"
            )
        found.update(dict.fromkeys(chosen))
    _check_names(list(found))
    return list(found)


def targets(path: Path, out: str, formats: Sequence[str]) -> dict[str, str]:
    """Return where a file's transcripts go, by format; its own suffix stays, since two files may differ in it only."""
    return {name: store.join(out, f"{path.name}.{name}") for name in formats}


def write(transcript: Transcript, uris: dict[str, str]) -> None:
    """Write a transcript in each format; a file is there whole or not at all."""
    for name, uri in uris.items():
        store.publish(uri, WRITERS[name](transcript).encode())


def _check_names(paths: Sequence[Path]) -> None:
    first: dict[str, Path] = {}
    for path in paths:
        if first.setdefault(path.name, path) != path:
            raise UserError(
                f"files {first[path.name]} and {path} share a name; expected names of their own, as transcripts are "
                "named by them; transcribe the folders one by one"
            )


def hear(path: Path, n_mels: int, needs_speech: bool, device: str) -> Recording:
    """Decode a file and compute its features; DataError names a file that cannot be."""
    try:
        samples = decoder.decode(path.read_bytes()).samples
        mel_BFT = log_mel(torch.from_numpy(samples)[None].to(device), n_mels)
    except (DecodeError, DataError) as error:
        raise DataError(f"file {path} cannot be transcribed: {error}; expected audio; leave it out") from error
    return Recording(name=str(path), mel_FT=mel_BFT[0], speech=speech_spans(samples) if needs_speech else ())


def hear_all(paths: Sequence[Path], settings: Settings, model: Model, failures: list[str]) -> Iterator[Recording]:
    """Hear files one after the other; what cannot be heard is added to `failures`."""
    for path in paths:
        try:
            yield hear(path, model.engine.dims.n_mels, settings.longform.needs_speech, settings.device)
        except DataError as error:
            failures.append(str(error))
