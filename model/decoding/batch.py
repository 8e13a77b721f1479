"""Decode many windows at once: a window that ends gives its place to the next, and one that fails tries again alone.

A retry costs no encoder and no prompt: the window's audio, prompt and first scores are still there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.decoding.engine import Cache, Engine
from model.decoding.guards import compression_ratio, loop_length
from model.decoding.language import Start, hear_start
from model.decoding.options import Decoded, DecodeOptions, Fallback, Window
from model.decoding.rules import NO_STAMPS, TokenRules
from model.decoding.search import Group, choose
from model.decoding.segments import FRAMES_PER_STAMP
from model.tokenizer import NUM_TIMESTAMPS, Tokenizer
from pipeline.errors import UserError


@dataclass(frozen=True, slots=True)
class Finished:
    """A window with its answer and its encoded audio_SD."""

    window: Window
    decoded: Decoded
    audio_SD: Tensor


@dataclass(slots=True)
class _Running:
    """A window in its place: what must be kept to go on and to begin again."""

    window: Window
    audio_SD: Tensor
    start: Start | None
    prompt: list[int]
    first_logits_V: Tensor
    no_speech_prob: float
    group: Group
    attempt: int = 0
    is_loop: bool = False


class Batch:
    """Up to `size` windows decoded together."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer, options: DecodeOptions, size: int) -> None:
        """Allocate the caches; UserError for a tokenizer of another model."""
        if engine.dims.n_vocab != tokenizer.n_vocab:
            raise UserError(
                f"tokenizer of {tokenizer.n_vocab} tokens does not fit the model; "
                f"it has n_vocab {engine.dims.n_vocab}; load the tokenizer the model was trained with"
            )
        self.engine, self.tokenizer, self.options, self._size = engine, tokenizer, options, size
        self._rules = TokenRules(tokenizer, options, engine.device)
        self._cache = Cache(engine, size, options.group, engine.dims.n_audio_ctx)
        self._running: list[_Running] = []

    @torch.inference_mode()
    def run(self, take: Callable[[], Window | None]) -> Iterator[Finished]:
        """Decode what `take` gives until it gives None and nothing runs; windows come back as they end.

        `take` is asked again after each window, so an answer may lead to the next question.
        """
        while self._admit(take) or self._running:
            groups = [row.group for row in self._running]
            while not any(group.is_done for group in groups):
                self._step(groups)
            for place in range(len(self._running) - 1, -1, -1):
                finished = self._end(place) if groups[place].is_done else None
                if finished is not None:
                    yield finished

    def _admit(self, take: Callable[[], Window | None]) -> bool:
        """Fill free places; tells whether any window came."""
        windows: list[Window] = []
        while len(self._running) + len(windows) < self._size and (window := take()) is not None:
            windows.append(window)
        if not windows:
            return False
        audio = self.engine.encode([window.mel_FT for window in windows])
        first = len(self._running)
        asks = any(window.lang is None for window in windows)
        starts = hear_start(self.engine, self.tokenizer, audio) if asks else [None] * len(windows)
        prompts = [self._prompt(window, start) for window, start in zip(windows, starts, strict=True)]
        at_sot_PV, at_end_PV = self.engine.start(audio, prompts, self.tokenizer.sot, self._cache, first)
        no_speech_probs = at_sot_PV.softmax(dim=-1)[:, self.tokenizer.no_speech].tolist()
        for row, (window, start, prompt) in enumerate(zip(windows, starts, prompts, strict=True)):
            self._running.append(
                _Running(
                    window=window,
                    audio_SD=audio[row],
                    start=start if window.lang is None else None,
                    prompt=prompt,
                    first_logits_V=at_end_PV[row],
                    no_speech_prob=no_speech_probs[row],
                    group=self._group(window, len(prompt), 0),
                )
            )
        self._begin(range(first, len(self._running)))
        return True

    def _prompt(self, window: Window, start: Start | None) -> list[int]:
        lang = window.lang if window.lang is not None else start.lang if start is not None else ""
        asked = self.tokenizer.sot_sequence(lang, window.task, window.timestamps)
        if not window.previous:
            return asked
        kept = window.previous[-(self.engine.dims.n_text_ctx // 2 - 1) :]
        return [self.tokenizer.sot_prev, *kept, *asked]

    def _group(self, window: Window, num_prompt: int, attempt: int) -> Group:
        context = self.engine.dims.n_text_ctx
        wanted = self.options.max_tokens if self.options.max_tokens is not None else context // 2
        return Group(
            size=self.options.group,
            eot=self.tokenizer.eot,
            options=self.options,
            max_tokens=min(wanted, context - num_prompt + 1),
            temperature=self.options.fallback.temperatures[attempt],
            rng=random.Random(f"{window.seed}:{attempt}"),
        )

    def _begin(self, places: Iterable[int]) -> None:
        """Say the first token of windows whose prompt has been read."""
        for place in places:
            row = self._running[place]
            self._advance([row.group], row.first_logits_V.expand(row.group.size, -1), [row])

    def _step(self, groups: Sequence[Group]) -> None:
        tokens = [said[-1] for group in groups for said in group.said]
        positions = [len(row.prompt) + len(row.group.said[0]) - 1 for row in self._running for _ in row.group.said]
        logits_RV = self.engine.step(self._cache, tokens, positions)
        sources = self._advance(groups, logits_RV, self._running)
        self._cache.reorder(sources, max(positions) + 1)

    def _advance(self, groups: Sequence[Group], logits_RV: Tensor, rows: Sequence[_Running]) -> list[int]:
        said = [tokens for group in groups for tokens in group.said]
        last_stamps = [self._last_stamp(row.window) for row in rows for _ in row.group.said]
        scores = choose(self._rules.apply(logits_RV, said, last_stamps), groups)
        sources: list[int] = []
        for group, row in zip(groups, rows, strict=True):
            first = len(sources)
            sources += [first + source for source in group.advance(scores, first)]
            self._break_loop(row)
        return sources

    def _last_stamp(self, window: Window) -> int:
        """Return the latest timestamp that may be said; where windows are padded, any of the context."""
        if not window.timestamps:
            return NO_STAMPS
        own = window.mel_FT.shape[1] // FRAMES_PER_STAMP
        return min(self.engine.dims.n_audio_ctx if self.engine.pads_windows else own, NUM_TIMESTAMPS - 1)

    def _break_loop(self, row: _Running) -> None:
        limit = self.options.max_loop_repeats
        if limit is not None and self.options.group == 1 and loop_length(row.group.said[0], limit):
            row.group.is_done = row.is_loop = True

    def _end(self, place: int) -> Finished | None:
        """Give the place free and return the answer, or begin again at the next temperature."""
        row = self._running[place]
        decoded = self._decoded(row)
        if needs_retry(decoded, self.options.fallback, row.attempt):
            row.attempt += 1
            row.is_loop = False
            row.group = self._group(row.window, len(row.prompt), row.attempt)
            self._begin([place])
            return None
        last = self._running.pop()
        if last is not row:
            self._running[place] = last
            self._cache.move(len(self._running), place)
        return Finished(row.window, decoded, row.audio_SD)

    def _decoded(self, row: _Running) -> Decoded:
        tokens, total = row.group.best()
        avg_logprob = total / (len(tokens) + 1)
        if row.is_loop:
            tokens = tokens[: len(tokens) - loop_length(tokens, self.options.max_loop_repeats or 0)]
        text = self.tokenizer.decode(tokens).strip()
        lang = row.window.lang if row.window.lang is not None else row.start.lang if row.start else ""
        return Decoded(
            tokens=tokens,
            text=text,
            lang=lang,
            lang_probs=row.start.lang_probs if row.start else {},
            avg_logprob=avg_logprob,
            no_speech_prob=row.no_speech_prob,
            compression_ratio=compression_ratio(text),
            temperature=row.group.temperature,
            is_loop=row.is_loop,
        )


def needs_retry(decoded: Decoded, fallback: Fallback, attempt: int) -> bool:
    """Tell whether an answer is bad enough for the next temperature, and there is one."""
    if attempt + 1 >= len(fallback.temperatures):
        return False
    is_unsure = fallback.min_avg_logprob is not None and decoded.avg_logprob < fallback.min_avg_logprob
    is_silent = fallback.max_no_speech_prob is not None and decoded.no_speech_prob > fallback.max_no_speech_prob
    if is_unsure and is_silent:
        return False
    limit = fallback.max_compression_ratio
    return is_unsure or decoded.is_loop or (limit is not None and decoded.compression_ratio > limit)


def decode(
    engine: Engine, tokenizer: Tokenizer, windows: Sequence[Window], options: DecodeOptions, size: int = 16
) -> list[Decoded]:
    """Decode windows, at most `size` at once, and return their answers in order."""
    batch = Batch(engine, tokenizer, options, min(size, max(len(windows), 1)))
    waiting = iter([replace(window, key=number) for number, window in enumerate(windows)])
    found = {done.window.key: done.decoded for done in batch.run(lambda: next(waiting, None))}
    return [found[number] for number in range(len(windows))]
