"""Ask a checkpoint every item of a set: what is said, in which language, whether anybody speaks, and when.

What fits a window is decoded as one, all of them together; what is longer goes through the long form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.checkpoint import Loaded
from model.decoding.batch import Batch, Finished
from model.decoding.engine import Engine
from model.decoding.language import Start, detect_language, hear_start
from model.decoding.longform import LongformOptions, Recording, Transcriber, is_silence
from model.decoding.options import DecodeOptions, Window
from model.decoding.segments import FRAMES_PER_STAMP
from model.decoding.transcript import Transcript, Word
from model.decoding.words import Heard, time_words
from model.eval_sets.items import EvalItem
from model.evaluation.timing import Timing, timing
from model.mel import HOP, MIN_SAMPLES, log_mel
from model.sample import Sample
from model.tasks.base import TaskOptions
from model.tasks.registry import TASKS
from pipeline.audio import SAMPLES_PER_MS, Samples
from pipeline.errors import DataError
from pipeline.voice import find_speech


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalOptions:
    """How items are asked. `pads_windows` fills windows to the full context; None: as the checkpoint learnt them.

    `times_words` compares the times of words where an item has cues; `takes_losses` reads the right answer as well.
    """

    decode: DecodeOptions
    longform: LongformOptions
    batch_size: int = 16
    pads_windows: bool | None = None
    times_words: bool = True
    takes_losses: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What was asked, what is right, and what the model said; nothing where it holds that nobody speaks.

    `heard_lang` is None where the model does not know the language; `nll` is the summed loss of `num_tokens` tokens.
    """

    item: EvalItem
    hypothesis: str
    duration_ms: int
    heard_lang: str | None
    heard_nobody: bool
    nll: float = 0.0
    num_tokens: int = 0
    timing: Timing | None = None


def evaluate(loaded: Loaded, items: Iterable[EvalItem], options: EvalOptions) -> list[Utterance]:
    """Return an utterance for each item, in order; a checkpoint that was trained on silence hears silence."""
    asker = _Asker(loaded, options)
    return asker.run(list(items))


class _Asker:
    def __init__(self, loaded: Loaded, options: EvalOptions) -> None:
        self._loaded, self._options = loaded, options
        pads = loaded.pads_windows if options.pads_windows is None else options.pads_windows
        self._engine, self._tokenizer = Engine(loaded.net, pads_windows=pads), loaded.tokenizer
        self._context = loaded.net.dims.n_audio_ctx * FRAMES_PER_STAMP

    def run(self, items: Sequence[EvalItem]) -> list[Utterance]:
        found: dict[int, Utterance] = {}
        long: list[int] = []
        batch = Batch(self._engine, self._tokenizer, self._options.decode, self._options.batch_size)
        for done in batch.run(self._windows(items, long)):
            number, duration_ms = cast(tuple[int, int], done.window.key)
            found[number] = self._short(items[number], done, duration_ms)
        alike: dict[tuple[str | None, str], list[int]] = {}
        for number in long:
            alike.setdefault((self._lang(items[number]), items[number].task), []).append(number)
        for numbers in alike.values():
            found |= self._long(items, numbers)
        return [found[number] for number in range(len(items))]

    def _windows(self, items: Sequence[EvalItem], long: list[int]) -> Callable[[], Window | None]:
        """Return what gives one window after the other; numbers of longer items are added to `long`."""
        waiting = iter(enumerate(items))

        def take() -> Window | None:
            for number, item in waiting:
                samples = self._hear(item)
                mel_FT = self._mel(samples)
                if mel_FT.shape[1] <= self._context:
                    return self._window(item, mel_FT, (number, len(samples) // SAMPLES_PER_MS))
                long.append(number)
            return None

        return take

    def _window(self, item: EvalItem, mel_FT: Tensor, key: tuple[int, int]) -> Window:
        task = "translate" if item.task == "translate" else "transcribe"
        return Window(mel_FT=mel_FT, task=task, lang=self._lang(item), seed=item.item_id, key=key)

    def _short(self, item: EvalItem, done: Finished, duration_ms: int) -> Utterance:
        start = hear_start(self._engine, self._tokenizer, [done.audio_SD])[0]
        is_silent = is_silence(done.decoded, self._options.decode.fallback)
        nll, num_tokens = self._loss(item, done.audio_SD, duration_ms)
        return Utterance(
            item=item,
            hypothesis="" if is_silent else done.decoded.text,
            duration_ms=duration_ms,
            heard_lang=start.lang if self._knows(item) else None,
            heard_nobody=start.is_no_speech,
            nll=nll,
            num_tokens=num_tokens,
            timing=self._timing(item, done) if self._options.times_words and item.task == "transcribe" else None,
        )

    def _timing(self, item: EvalItem, done: Finished) -> Timing | None:
        if not item.cues:
            return None
        words: list[Word] = []
        text = self._tokenizer.text_tokens(done.decoded.tokens)
        if text:
            prompt = self._tokenizer.sot_sequence(done.decoded.lang, done.window.task)
            num_positions = -(-done.window.mel_FT.shape[1] // FRAMES_PER_STAMP)
            heard = Heard(audio_SD=done.audio_SD, num_positions=num_positions)
            (words,) = time_words(self._engine, self._tokenizer, heard, (prompt, [text]), self._loaded.alignment_heads)
        return timing(item.cues, words, item.lang)

    @torch.inference_mode()
    def _loss(self, item: EvalItem, audio_SD: Tensor, duration_ms: int) -> tuple[float, int]:
        """Return the summed loss of the right answer and its tokens; nothing where it does not fit the decoder."""
        if not self._options.takes_losses or (item.task != "no_speech" and not self._knows(item)):
            return 0.0, 0
        options = TaskOptions(prev_text_prob=0.0, timestamp_prob=0.0, max_tokens=self._loaded.net.dims.n_text_ctx)
        try:
            encoded = TASKS[item.task].encode(
                _sample(item, duration_ms), self._tokenizer, options, np.random.default_rng(0)
            )
        except DataError:
            return 0.0, 0
        logits_LV, _ = self._engine.attend(audio_SD, encoded.tokens[:-1])
        next_L = torch.tensor(encoded.tokens[1:], device=logits_LV.device)
        nll_L = F.cross_entropy(logits_LV, next_L, reduction="none")
        mask_L = torch.tensor(encoded.loss_mask[1:], device=nll_L.device)
        return float((nll_L * mask_L).sum()), int(mask_L.sum())

    def _recording(self, item: EvalItem, number: int) -> Recording:
        samples = self._hear(item)
        spans = tuple(find_speech(samples)) if self._options.longform.needs_speech else ()
        return Recording(name=str(number), mel_FT=self._mel(samples), speech=spans)

    def _long(self, items: Sequence[EvalItem], numbers: Sequence[int]) -> Iterator[tuple[int, Utterance]]:
        """Transcribe recordings of one language and task, each read when its turn comes."""
        first = items[numbers[0]]
        task = "translate" if first.task == "translate" else "transcribe"
        options = replace(self._options.longform, lang=self._lang(first), task=task, words=self._options.times_words)
        batch = Batch(self._engine, self._tokenizer, self._options.decode, self._options.batch_size)
        transcriber = Transcriber(batch, options, self._loaded.alignment_heads)
        for recording, transcript in transcriber.run(self._recording(items[number], number) for number in numbers):
            number = int(recording.name)
            start = detect_language(self._engine, self._tokenizer, [recording.mel_FT[:, : self._context]])[0]
            yield number, self._told(items[number], transcript, start)

    def _told(self, item: EvalItem, transcript: Transcript, start: Start) -> Utterance:
        words = [word for segment in transcript.segments for word in segment.words]
        has_times = self._options.times_words and item.task == "transcribe" and item.cues
        return Utterance(
            item=item,
            hypothesis=" ".join(segment.text for segment in transcript.segments),
            duration_ms=transcript.duration_ms,
            heard_lang=start.lang if self._knows(item) else None,
            heard_nobody=start.is_no_speech,
            timing=timing(item.cues, words, item.lang) if has_times else None,
        )

    def _hear(self, item: EvalItem) -> Samples:
        samples = item.hear()
        samples = np.pad(samples, (0, max(0, MIN_SAMPLES - len(samples))))
        return np.zeros_like(samples) if self._loaded.card.audio == "silence" else samples

    def _mel(self, samples: Samples) -> Tensor:
        audio_BN = torch.from_numpy(samples)[None].to(self._engine.device)
        mel_FT = log_mel(audio_BN, self._engine.dims.n_mels)[0]
        return mel_FT[:, : max(1, len(samples) // HOP)]

    def _knows(self, item: EvalItem) -> bool:
        return item.lang in self._tokenizer.codes

    def _lang(self, item: EvalItem) -> str | None:
        return item.lang if self._knows(item) else None


def _sample(item: EvalItem, duration_ms: int) -> Sample:
    return Sample(
        segment_id=item.item_id,
        recording_id=item.recording_id,
        source=item.source,
        kind=item.task,
        lang=item.lang,
        text=item.text,
        text_lang="en" if item.task == "translate" else item.lang,
        cues=(),
        prev_text=None,
        duration_ms=duration_ms,
        tasks=(item.task,),
    )
