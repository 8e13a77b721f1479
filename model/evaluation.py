"""Decode a held-out split and score it: error rates by task and language, accuracy where the answer is one token."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import Tensor

from model.alignment import MS_PER_POSITION
from model.augment import Augment
from model.batch import Batch
from model.checkpoint import Loaded
from model.corpus import Corpus
from model.decoding.batch import decode
from model.decoding.engine import Engine
from model.decoding.language import detect_language
from model.decoding.options import DecodeOptions, Task, Window
from model.examples import Encoder, HeldOutBatches, LoaderConfig
from model.mel import HOP, log_mel
from model.metrics import NORMALISER, LossTable, error_rates
from model.tasks.base import TaskOptions
from model.tokenizer import Tokenizer
from pipeline import tables
from pipeline.schema import EVAL_RESULT

NO_SPEECH = "<|nospeech|>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What was asked of a window, what is right, and what the model said; a code where the answer is a language."""

    task: str
    lang: str
    reference: str
    hypothesis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Everything measured on one split."""

    utterances: tuple[Utterance, ...]
    losses: dict[str, float]


def evaluate(loaded: Loaded, batches: Iterable[Batch], device: torch.device, options: DecodeOptions) -> Scores:
    """Decode every window once for each task it serves, and take the loss of its right answer."""
    utterances: list[Utterance] = []
    table, engine = LossTable(device), Engine(loaded.net)
    for batch in batches:
        on_device = batch.to(device)
        mel_BFT = log_mel(on_device.audio_BN, loaded.net.dims.n_mels, on_device.num_samples_B)
        frames_B = on_device.num_samples_B // HOP
        table.add(batch.tasks, batch.langs, *_losses(loaded, on_device, mel_BFT, frames_B))
        mels = [mel_FT[:, :size] for mel_FT, size in zip(mel_BFT, frames_B.tolist(), strict=True)]
        utterances += _decode(engine, loaded.tokenizer, batch, mels, options)
    return Scores(utterances=tuple(utterances), losses=table.means())


def held_out_batches(loaded: Loaded, corpus: Corpus, batch_size: int) -> Iterator[Batch]:
    """Read a split for this checkpoint; it hears silence where it was trained on silence."""
    dims = loaded.net.dims
    encoder = Encoder(
        tokenizer=loaded.tokenizer, n_mels=dims.n_mels, max_ms=dims.n_audio_ctx * MS_PER_POSITION, loss_weights=None
    )
    config = LoaderConfig(
        batch_size=batch_size,
        pool_batches=1,
        num_workers=0,
        seed=0,
        audio=loaded.card.audio,
        augment=Augment(),
        tasks=TaskOptions(max_tokens=dims.n_text_ctx),
    )
    batches = HeldOutBatches(corpus, config, encoder)
    return (batches[index] for index in range(len(batches)))


def to_table(scores: Scores, checkpoint: str, eval_set: str) -> pa.Table:
    """Return EVAL_RESULT: losses, error rates and accuracies by task and language, and over languages."""
    groups: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for utterance in scores.utterances:
        groups[utterance.task, utterance.lang].append(utterance)
        groups[utterance.task, "all"].append(utterance)
    rows = [
        _row(task, lang, metric, value, len(group))
        for (task, lang), group in sorted(groups.items())
        for metric, value in _measures(task, group).items()
    ]
    for name, value in scores.losses.items():
        task, _, lang = name.partition("-")
        number = len(groups[task, lang]) if lang else len(scores.utterances)
        rows.append(_row(task, lang or "all", "loss", value, number))
    place = {"checkpoint": checkpoint, "eval_set": eval_set, "source": "all"}
    return tables.from_rows([place | row for row in rows], EVAL_RESULT)


@torch.inference_mode()
def _losses(loaded: Loaded, batch: Batch, mel_BFT: Tensor, frames_B: Tensor) -> tuple[Tensor, Tensor]:
    logits_BLV = loaded.net(mel_BFT, batch.inputs_BL[:, :-1], frames_B)
    nll_BL = F.cross_entropy(logits_BLV.transpose(1, 2), batch.tokens_BL[:, 1:], reduction="none")
    mask_BL = batch.loss_mask_BL[:, 1:]
    return (nll_BL * mask_BL).sum(dim=1), mask_BL.sum(dim=1)


def _decode(
    engine: Engine, tokenizer: Tokenizer, batch: Batch, mels: Sequence[Tensor], options: DecodeOptions
) -> list[Utterance]:
    """Ask each task's question of the rows that serve it."""
    found: list[Utterance] = []
    for task in sorted(set(batch.tasks)):
        rows = [row for row, name in enumerate(batch.tasks) if name == task]
        langs, heard = [batch.langs[row] for row in rows], [mels[row] for row in rows]
        if task in ("detect_language", "no_speech"):
            starts = detect_language(engine, tokenizer, heard)
            is_silence = task == "no_speech"
            references = [NO_SPEECH] * len(rows) if is_silence else langs
            found_speech = [NO_SPEECH if start.is_no_speech else "speech" for start in starts]
            answers = found_speech if is_silence else [start.lang for start in starts]
        else:
            references = [batch.texts[row] for row in rows]
            asked = cast(Task, task)
            windows = [Window(mel_FT=mel_FT, task=asked, lang=lang) for mel_FT, lang in zip(heard, langs, strict=True)]
            answers = [one.text for one in decode(engine, tokenizer, windows, options, size=len(windows))]
        found += [
            Utterance(task=task, lang=lang, reference=reference, hypothesis=answer)
            for lang, reference, answer in zip(langs, references, answers, strict=True)
        ]
    return found


def _measures(task: str, group: Sequence[Utterance]) -> dict[str, float]:
    if task in ("transcribe", "translate"):
        return error_rates([one.reference for one in group], [one.hypothesis for one in group])
    return {"accuracy": sum(one.reference == one.hypothesis for one in group) / len(group)}


def _row(task: str, lang: str, metric: str, value: float, number: int) -> dict[str, object]:
    normaliser = NORMALISER if metric in ("wer", "cer") else "none"
    return {
        "task": task,
        "lang": lang,
        "metric": metric,
        "value": value,
        "num_utterances": number,
        "normaliser": normaliser,
    }
