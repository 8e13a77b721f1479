"""A checkpoint as a listener: which language windows are in, what they say, and when they say a given text.

Any format `model.checkpoint` loads.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.checkpoint import Loaded, load
from model.decoding.batch import Batch
from model.decoding.engine import Engine
from model.decoding.language import detect_language
from model.decoding.longform import LongformOptions, Recording, Transcriber
from model.decoding.options import DecodeOptions, Fallback
from model.decoding.segments import FRAMES_PER_STAMP, MS_PER_FRAME
from model.decoding.words import Heard, time_words
from model.mel import HOP, MIN_SAMPLES, log_mel
from pipeline.audio import Samples
from pipeline.languages import language

TEMPERATURES = (0.0, 0.4)  # once more where a loop or a low probability says that it was misheard
MIN_REST_MS = 2000  # of a window, after the last segment that ended, to be asked for on its own


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointListener:
    """Listen with a checkpoint; it is loaded once a process, at the first question.

    `loops` bounds repeated phrases: a first model falls into loops, which would cost most of the time. `int8` rounds
    weights to 8 bits, on an x86 CPU. `timestamps` asks for times as well; None: of models of others, which may stop at
    a pause when asked for text alone (OpenAI's base lost most of 3 windows of 33, 2026-11).
    """

    checkpoint: str
    device: str = "cpu"
    batch_size: int = 16
    loops: int = 4
    int8: bool = False
    timestamps: bool | None = None

    def identity(self) -> Mapping[str, Any]:
        """Return the hash of the checkpoint's bytes, and how it is asked: where it lies changes no answer."""
        path = Path(self.checkpoint)
        files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
        digest = hashlib.sha256()
        for file in files:
            digest.update(file.read_bytes())
        return {"checkpoint_sha256": digest.hexdigest(), "int8": self.int8, "timestamps": self.timestamps}

    def languages(self, windows: Sequence[Samples]) -> list[Mapping[str, float]]:
        """Return the probabilities of the languages for each window; a window too short to hear has no answer."""
        loaded, engine = self._ready()
        heard = [_pieces(window, engine)[0] for window in windows if len(window) >= MIN_SAMPLES]
        mels = [self._mel(loaded, window) for window in heard]
        return [start.lang_probs for start in detect_language(engine, loaded.tokenizer, mels)] if mels else []

    def texts(self, windows: Sequence[Samples], langs: Sequence[str]) -> list[str]:
        """Transcribe windows in given languages; one too short to hear says nothing.

        A window longer than what the model hears at once is heard in pieces.
        """
        loaded, engine = self._ready()
        heard = [
            (at, piece)
            for at, window in enumerate(windows)
            if len(window) >= MIN_SAMPLES
            for piece in _pieces(window, engine)
        ]
        recordings = [
            Recording(name=str(number), mel_FT=self._mel(loaded, piece), lang=langs[at])
            for number, (at, piece) in enumerate(heard)
        ]
        heard_of = self._transcriber(len(heard)).run(recordings) if heard else ()
        said = {int(one.name): transcript for one, transcript in heard_of}
        texts: list[list[str]] = [[] for _ in windows]
        for number, (at, _) in enumerate(heard):
            texts[at] += [segment.text for segment in said[number].segments]
        return [" ".join(pieces) for pieces in texts]

    def knows(self, lang: str) -> bool:
        """Tell whether the model has a token for a language."""
        return lang in self._ready()[0].tokenizer.codes

    def reach_ms(self) -> int:
        """Return how much the model hears at once, in ms."""
        return self._ready()[1].dims.n_audio_ctx * FRAMES_PER_STAMP * MS_PER_FRAME

    def place(self, window: Samples, texts: Sequence[str], lang: str) -> list[tuple[int, int, float]]:
        """Say when in a window texts that follow each other are said: start and end in ms, mean probability of words.

        The texts are read, not decoded, and their words follow the cross-attention (words.py). Only the first ones are
        answered where not all fit the model's context, none in a window too short to hear.
        """
        loaded, engine = self._ready()
        prompt = loaded.tokenizer.sot_sequence(lang, "transcribe")
        lead = " " if language(lang).spaces_words else ""
        tokens = [loaded.tokenizer.encode(lead + text.strip()) for text in texts]
        ends = itertools.accumulate(map(len, tokens), initial=len(prompt) + 1)  # and the end of the text
        tokens = tokens[: sum(end <= engine.dims.n_text_ctx for end in ends) - 1]
        if not tokens or len(window) < MIN_SAMPLES:
            return []
        mel_FT = self._mel(loaded, window)
        heard = Heard(audio_SD=engine.encode([mel_FT])[0], num_positions=-(-mel_FT.shape[1] // FRAMES_PER_STAMP))
        timed = time_words(engine, loaded.tokenizer, heard, (prompt, tokens), loaded.alignment_heads)
        return [(words[0].start_ms, words[-1].end_ms, statistics.fmean(word.prob for word in words)) for words in timed]

    def _transcriber(self, num_windows: int) -> Transcriber:
        loaded, engine = self._ready()
        batch = Batch(
            engine,
            loaded.tokenizer,
            DecodeOptions(max_loop_repeats=self.loops, fallback=Fallback(temperatures=TEMPERATURES)),
            min(self.batch_size, num_windows),
        )
        stamps = engine.pads_windows if self.timestamps is None else self.timestamps  # those of others want padding
        options = LongformOptions(
            clips="whole", timestamps=stamps, min_window_ms=MIN_REST_MS, drops_hallucinations=False
        )
        return Transcriber(batch, options)

    def _ready(self) -> tuple[Loaded, Engine]:
        return _listener(self.checkpoint, self.device, self.int8)

    def _mel(self, loaded: Loaded, window: Samples) -> torch.Tensor:
        audio = torch.from_numpy(window)[None].to(self.device)
        return log_mel(audio, loaded.net.dims.n_mels)[0]


def _pieces(window: Samples, engine: Engine) -> list[Samples]:
    """Cut a window evenly into what the model hears at once."""
    return np.array_split(window, -(-len(window) // (engine.dims.n_audio_ctx * 2 * HOP)))


@functools.cache
def _listener(checkpoint: str, device: str, int8: bool) -> tuple[Loaded, Engine]:
    loaded = load(checkpoint, device)
    return loaded, Engine(loaded.net, int8, loaded.pads_windows)
