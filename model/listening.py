"""A checkpoint as a listener: which language windows are in, and what they say. Any format `model.checkpoint` loads."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from model.checkpoint import Loaded, load
from model.decoding.batch import decode
from model.decoding.engine import Engine
from model.decoding.language import detect_language
from model.decoding.options import DecodeOptions, Window
from model.mel import MIN_SAMPLES, log_mel
from pipeline.audio import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointListener:
    """Listen with a checkpoint; it is loaded once a process, at the first question.

    `loops` bounds repeated phrases: a first model falls into loops, which would cost most of the time.
    """

    checkpoint: str
    device: str = "cpu"
    batch_size: int = 16
    loops: int = 4

    def identity(self) -> Mapping[str, str]:
        """Return the hash of the checkpoint's bytes: where it lies and who listens change no answer."""
        path = Path(self.checkpoint)
        files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
        digest = hashlib.sha256()
        for file in files:
            digest.update(file.read_bytes())
        return {"checkpoint_sha256": digest.hexdigest()}

    def languages(self, windows: Sequence[Samples]) -> list[Mapping[str, float]]:
        """Return the probabilities of the languages for each window; a window too short to hear has no answer."""
        loaded, engine = _listener(self.checkpoint, self.device)
        mels = [self._mel(loaded, window) for window in windows if len(window) >= MIN_SAMPLES]
        return [start.lang_probs for start in detect_language(engine, loaded.tokenizer, mels)] if mels else []

    def texts(self, windows: Sequence[Samples], langs: Sequence[str]) -> list[str]:
        """Transcribe windows in given languages, greedily; one too short to hear says nothing."""
        loaded, engine = _listener(self.checkpoint, self.device)
        heard = [at for at, window in enumerate(windows) if len(window) >= MIN_SAMPLES]
        asked = [Window(mel_FT=self._mel(loaded, windows[at]), lang=langs[at]) for at in heard]
        options = DecodeOptions(max_loop_repeats=self.loops)
        answers = decode(engine, loaded.tokenizer, asked, options, self.batch_size) if asked else []
        texts = dict(zip(heard, (answer.text for answer in answers), strict=True))
        return [texts.get(at, "") for at in range(len(windows))]

    def knows(self, lang: str) -> bool:
        """Tell whether the model has a token for a language."""
        return lang in _listener(self.checkpoint, self.device)[0].tokenizer.codes

    def _mel(self, loaded: Loaded, window: Samples) -> torch.Tensor:
        audio = torch.from_numpy(window)[None].to(self.device)
        return log_mel(audio, loaded.net.dims.n_mels)[0]


@functools.cache
def _listener(checkpoint: str, device: str) -> tuple[Loaded, Engine]:
    loaded = load(checkpoint, device)
    return loaded, Engine(loaded.net)
