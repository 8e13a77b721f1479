"""A look at what a model in training hears: some held-out windows transcribed, and where it attends meanwhile.

Tensor suffixes: L tokens, S audio positions, F mel bins, T mel frames, H heads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from model.data.batch import Batch
from model.decoding.batch import decode
from model.decoding.engine import Engine
from model.decoding.options import DecodeOptions, Window
from model.evaluation.metrics import error_rates
from model.mel import HOP, log_mel
from model.net import Whisper
from model.tokenizer import Tokenizer

SPOKEN = ("transcribe", "translate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """How many windows of each task and language are transcribed at each validation; `loops` ends endless phrases."""

    windows: int
    batch_size: int = 8
    loops: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One window: what is right, what the model said, its spectrogram and the attention it paid, axes (L, S)."""

    segment_id: str
    task: str
    lang: str
    reference: str
    hypothesis: str
    mel_FT: Tensor
    attention_LS: Tensor | None


def choose(batches: Iterator[Batch], settings: Preview) -> list[Batch]:
    """Return the first windows of each task and language, one row a batch."""
    found: dict[tuple[str, str], list[Batch]] = defaultdict(list)
    for batch in batches:
        for row, key in enumerate(zip(batch.tasks, batch.langs, strict=True)):
            if key[0] in SPOKEN and len(found[key]) < settings.windows:
                found[key].append(_row(batch, row))
    return [row for key in sorted(found) for row in found[key]]


@torch.inference_mode()
def hear(net: Whisper, tokenizer: Tokenizer, rows: Sequence[Batch], settings: Preview) -> list[Heard]:
    """Transcribe windows greedily; the first of each task and language comes with its attention."""
    engine, options = Engine(net), DecodeOptions(max_loop_repeats=settings.loops)
    mels = [
        log_mel(row.audio_BN[:, : int(row.num_samples_B[0]) // HOP * HOP].to(engine.device), net.dims.n_mels)[0]
        for row in rows
    ]
    windows = [
        Window(mel_FT=mel_FT, task="translate" if row.tasks[0] == "translate" else "transcribe", lang=row.langs[0])
        for mel_FT, row in zip(mels, rows, strict=True)
    ]
    answers = decode(engine, tokenizer, windows, options, settings.batch_size) if windows else []
    seen: set[tuple[str, str]] = set()
    heard: list[Heard] = []
    for row, mel_FT, answer in zip(rows, mels, answers, strict=True):
        key = (row.tasks[0], row.langs[0])
        is_first, prompt = key not in seen, tokenizer.sot_sequence(row.langs[0], "transcribe")
        seen.add(key)
        heard.append(
            Heard(
                segment_id=row.segment_ids[0],
                task=key[0],
                lang=key[1],
                reference=row.texts[0],
                hypothesis=answer.text.strip(),
                mel_FT=mel_FT.cpu(),
                attention_LS=_attention(engine, mel_FT, [*prompt, *answer.tokens]) if is_first else None,
            )
        )
    return heard


def rates(heard: Sequence[Heard]) -> dict[str, float]:
    """Return word and character error rates by task and language: "wer/transcribe-sw"."""
    groups: dict[str, list[Heard]] = defaultdict(list)
    for one in heard:
        groups[f"{one.task}-{one.lang}"].append(one)
    return {
        f"{name}/{group}": value
        for group, members in sorted(groups.items())
        for name, value in error_rates([m.reference for m in members], [m.hypothesis for m in members]).items()
    }


def _attention(engine: Engine, mel_FT: Tensor, tokens: Sequence[int]) -> Tensor:
    """Return the last layer's cross-attention, the mean of its heads."""
    [audio_SD] = engine.encode([mel_FT])
    _, layers = engine.attend(audio_SD, tokens)
    return layers[-1].softmax(dim=-1).mean(dim=0).cpu()


def _row(batch: Batch, row: int) -> Batch:
    """Return one row as a batch; only what is heard and compared is kept."""
    values: dict[str, Any] = {item.name: getattr(batch, item.name) for item in fields(batch)}
    return replace(
        batch, **{name: value[row : row + 1] for name, value in values.items() if isinstance(value, Tensor | tuple)}
    )
