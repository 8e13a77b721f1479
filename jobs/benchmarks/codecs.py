"""What FLAC and Opus cost as the sound of a shard: bytes, encoding, decoding, and how far off the log-mel is."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from jobs.benchmarks.turns import one_thread
from model.data.corpus import Corpus, resolve_shards
from model.data.mixture import POOLED_TASKS
from model.data.sound import decode_sound
from model.mel import SAMPLE_RATE, log_mel
from pipeline.shard.codec import Codec, Flac, Opus

N_MELS = 80
BITS_PER_SECOND = 24_000
Sound = NDArray[np.float32]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecBench:
    """Shards of FLAC to take windows from, how many, and libopus' complexities to try."""

    shards: str
    num_windows: int
    complexities: Sequence[int]


def bench_codecs(settings: CodecBench) -> Iterator[str]:
    """Yield a Markdown table, a codec a line; times are CPU time on one core."""
    windows = _windows(settings)
    audio_s = sum(map(len, windows)) / SAMPLE_RATE
    yield f"{len(windows)} windows, {audio_s / 60:.1f} min; Opus at {BITS_PER_SECOND // 1000} kbit/s, 16 kHz mono"
    yield "| codec | kbit/s | encoding, x real time | decoding, x real time | mean error of the log-mel |"
    yield "| --- | --- | --- | --- | --- |"
    with one_thread():
        for name, codec in _codecs(settings.complexities):
            encoded, encode_s = _timed(lambda codec=codec: [codec.encode(window) for window in windows])
            decoded, decode_s = _timed(lambda encoded=encoded: [decode_sound(data) for data in encoded])
            kbits_per_s = 8 * sum(map(len, encoded)) / audio_s / 1000
            error = np.mean([_error(one, other) for one, other in zip(windows, decoded, strict=True)])
            speeds = f"{audio_s / encode_s:,.0f} | {audio_s / decode_s:,.0f}"
            yield f"| {name} | {kbits_per_s:.1f} | {speeds} | {error:.4f} |"


def _codecs(complexities: Sequence[int]) -> Iterator[tuple[str, Codec]]:
    yield "flac", Flac()
    for complexity in complexities:
        yield f"opus, complexity {complexity}", Opus(bits_per_second=BITS_PER_SECOND, complexity=complexity)


def _windows(settings: CodecBench) -> list[Sound]:
    corpus = Corpus(resolve_shards(settings.shards), "train")
    places = ((name, place) for name in corpus.pools if name not in POOLED_TASKS for place in corpus.places(name))
    samples = (corpus.read(*place) for place in itertools.islice(places, settings.num_windows))
    return [sample.audio for sample in samples if sample.audio is not None]


def _timed(make: Callable[[], Made]) -> tuple[Made, float]:
    start_s = time.process_time()
    return make(), time.process_time() - start_s


def _error(one: Sound, other: Sound) -> float:
    first, second = (log_mel(torch.from_numpy(sound)[None], N_MELS)[0] for sound in (one, other))
    return float((first - second).abs().mean())
