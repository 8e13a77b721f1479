"""Log-mel of one 30 s window on one core, beside openai-whisper's and transformers' where they are installed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from jobs.benchmarks.turns import one_thread, ratio, take_turns
from model.mel import SAMPLE_RATE, log_mel

WINDOW_S = 30
Features = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MelBench:
    """How many mel bins and rounds."""

    n_mels: int
    num_rounds: int


def bench_mel(settings: MelBench) -> Iterator[str]:
    """Yield a Markdown table: time, real-time factor, speed against the last implementation, largest difference."""
    audio_N = 0.1 * torch.randn(WINDOW_S * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    timed: dict[str, Features] = {"sotto": lambda: log_mel(audio_N[None], settings.n_mels)[0]}
    timed |= _transformers(audio_N, settings.n_mels) | _openai(audio_N, settings.n_mels)
    reference = list(timed)[-1]
    with one_thread():
        seconds = take_turns(timed, settings.num_rounds)
    expected = torch.as_tensor(timed[reference]())
    yield f"| {settings.n_mels} mels | ms | x real time | speed, {reference} = 1 | largest difference |"
    yield "| --- | --- | --- | --- | --- |"
    for name, features in timed.items():
        median_s = statistics.median(seconds[name])
        difference = float((torch.as_tensor(features()) - expected).abs().max())
        speed = ratio(seconds, name, reference)
        yield f"| {name} | {1000 * median_s:.1f} | {WINDOW_S / median_s:,.0f} | {speed:.2f} | {difference:.0e} |"


def _openai(audio_N: Tensor, n_mels: int) -> dict[str, Features]:
    try:
        from whisper.audio import log_mel_spectrogram  # pyright: ignore[reportMissingImports]
    except ImportError:
        return {}
    return {"openai-whisper": lambda: log_mel_spectrogram(audio_N, n_mels)}


def _transformers(audio_N: Tensor, n_mels: int) -> dict[str, Features]:
    try:
        from transformers import WhisperFeatureExtractor
    except ImportError:
        return {}
    extractor: Any = WhisperFeatureExtractor(feature_size=n_mels)
    samples = audio_N.numpy()
    return {
        "transformers": lambda: extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features[0]
    }
