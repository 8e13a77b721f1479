"""When each word was said: the path of least cost through the cross-attention of some heads (dynamic time warping).

The attention is prepared as openai-whisper does: normalised over the tokens, and smoothed by a median over time.

Tensor suffixes: L tokens, S audio positions (20 ms).
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.decoding.engine import Engine
from model.decoding.transcript import Segment, Word
from model.tokenizer import TIMESTAMP_STEP_MS, Tokenizer
from pipeline.languages import language

Heads = Sequence[tuple[int, int]]  # layer, head

MEDIAN_WIDTH = 7
MAX_MEDIAN_MS = 700  # a word that is twice the median long holds a pause
SLACK_MS = 500  # how far a segment's first and last word may lie outside of it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spelled:
    """A word's text, its tokens from `start` to `end`, and the end of those that are spoken: marks take no time."""

    text: str
    start: int
    end: int
    spoken_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """When each token starts, one end more at the last, in ms from the window's start; and its probability."""

    times_ms: NDArray[np.int64]
    probs: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A window's encoded audio, of which `num_positions` are no padding."""

    audio_SD: Tensor
    num_positions: int


def align(engine: Engine, tokenizer: Tokenizer, heard: Heard, prompt: Sequence[int], heads: Heads) -> Aligned:
    """Align the text tokens of `prompt` (from start of transcript to the last of the text) with a window's audio."""
    first_text = next(place for place, token in enumerate(prompt) if token < tokenizer.eot)
    logits_LV, scores = engine.attend(heard.audio_SD, [*prompt, tokenizer.eot])
    scores_HLS = torch.stack([scores[layer][head] for layer, head in heads or _upper_half(engine)])
    weights_HLS = scores_HLS[..., : heard.num_positions].softmax(dim=-1)
    std, mean = torch.std_mean(weights_HLS, dim=-2, keepdim=True, unbiased=False)
    cost_LS = -_median((weights_HLS - mean) / std).mean(dim=0)[first_text - 1 : -1]
    rows, columns = warp(cost_LS.double().cpu().numpy())
    starts = columns[np.flatnonzero(np.diff(rows, prepend=-1))]
    probs_LV = logits_LV[first_text - 1 : -2, : tokenizer.eot].softmax(dim=-1)
    text = torch.tensor(prompt[first_text:], device=probs_LV.device)
    return Aligned(
        times_ms=starts.astype(np.int64) * TIMESTAMP_STEP_MS,
        probs=probs_LV.gather(1, text[:, None]).squeeze(1).tolist(),
    )


def time_words(
    engine: Engine,
    tokenizer: Tokenizer,
    heard: Heard,
    asked: tuple[Sequence[int], Sequence[Sequence[int]]],
    heads: Heads,
) -> list[list[Word]]:
    """Return the words of each text of a window; `asked` are its prompt and the texts' tokens."""
    prompt, texts = asked
    aligned = align(engine, tokenizer, heard, [*prompt, *itertools.chain(*texts)], heads)
    lang = tokenizer.language_of(prompt[1])
    found: list[list[Word]] = []
    place = 0
    for tokens in texts:
        found.append([_word(word, place, aligned) for word in _spell(tokenizer, tokens, lang)])
        place += len(tokens)
    return _without_pauses(found)


def with_words(segment: Segment, words: Sequence[Word]) -> Segment:
    """Give a segment its words: its ends become theirs, unless the first or last lies far outside."""
    if not words:
        return segment
    start_ms, end_ms = words[0].start_ms, words[-1].end_ms
    start_ms = segment.start_ms if start_ms < segment.start_ms - SLACK_MS or start_ms >= segment.end_ms else start_ms
    end_ms = segment.end_ms if end_ms > segment.end_ms + SLACK_MS or end_ms <= start_ms else end_ms
    clamped = tuple(
        replace(
            word,
            start_ms=min(max(word.start_ms, start_ms), end_ms),
            end_ms=min(max(word.end_ms, start_ms), end_ms),
        )
        for word in words
    )
    return replace(segment, start_ms=start_ms, end_ms=end_ms, words=clamped)


def warp(cost_LS: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows and columns of the cheapest path from the first cell to the last, one anti-diagonal at a time."""
    num_rows, num_columns = cost_LS.shape
    total = np.full((num_rows + 1, num_columns + 1), np.inf)
    total[0, 0] = 0.0
    came = np.zeros(total.shape, dtype=np.int8)  # 0 diagonally, 1 from the row above, 2 from the column before
    for diagonal in range(2, num_rows + num_columns + 1):
        row = np.arange(max(1, diagonal - num_columns), min(num_rows, diagonal - 1) + 1)
        column = diagonal - row
        both, above, before = total[row - 1, column - 1], total[row - 1, column], total[row, column - 1]
        choice = np.where((both < above) & (both < before), 0, np.where((above < both) & (above < before), 1, 2))
        total[row, column] = cost_LS[row - 1, column - 1] + np.choose(choice, (both, above, before))
        came[row, column] = choice
    return _walk_back(came)


def _walk_back(came: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    came[0, :], came[:, 0] = 2, 1
    row, column = came.shape[0] - 1, came.shape[1] - 1
    path: list[tuple[int, int]] = []
    while row > 0 or column > 0:
        path.append((row - 1, column - 1))
        step = came[row, column]
        row, column = row - (step != 2), column - (step != 1)
    rows, columns = np.array(path[::-1], dtype=np.int64).T
    return rows, columns


def _median(x_HLS: Tensor) -> Tensor:
    side = MEDIAN_WIDTH // 2
    if x_HLS.shape[-1] <= side:
        return x_HLS
    return F.pad(x_HLS, (side, side), mode="reflect").unfold(-1, MEDIAN_WIDTH, 1).sort()[0][..., side]


def _upper_half(engine: Engine) -> list[tuple[int, int]]:
    """Return all heads of the later layers, where nobody knows which ones follow the speech."""
    layers = range(engine.dims.n_text_layer // 2, engine.dims.n_text_layer)
    return [(layer, head) for layer in layers for head in range(engine.dims.n_text_head)]


def _spell(tokenizer: Tokenizer, tokens: Sequence[int], lang: str) -> Iterator[_Spelled]:
    """Split at spaces, or at every character where the language has none; marks stay with the word before."""
    spaces_words = language(lang).spaces_words
    words: list[list[tuple[int, str]]] = []
    for place, text in _characters(tokenizer, tokens):
        if not words or _begins_word(text, spaces_words):
            words.append([])
        words[-1].append((place, text))
    ends = [*(word[0][0] for word in words[1:]), len(tokens)]
    for word, end in zip(words, ends, strict=True):
        edges = [*(place for place, _ in word[1:]), end]
        spoken = [edge for (_, text), edge in zip(word, edges, strict=True) if any(map(str.isalnum, text))]
        whole = "".join(text for _, text in word)
        yield _Spelled(text=whole, start=word[0][0], end=end, spoken_end=spoken[-1] if spoken else end)


def _begins_word(text: str, spaces_words: bool) -> bool:
    return text[:1].isspace() or (not spaces_words and any(map(str.isalnum, text)))


def _characters(tokenizer: Tokenizer, tokens: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield runs of tokens that write whole characters: the first one's place, and the text."""
    start, pending = 0, b""
    for place, token in enumerate(tokens):
        pending += tokenizer.bytes_of(token)
        text = pending.decode("utf-8", errors="replace")
        if "\ufffd" not in text or place + 1 == len(tokens):
            yield start, text
            start, pending = place + 1, b""


def _word(word: _Spelled, place: int, aligned: Aligned) -> Word:
    start, end = place + word.start, place + word.end
    return Word(
        start_ms=int(aligned.times_ms[start]),
        end_ms=int(aligned.times_ms[place + word.spoken_end]),
        text=word.text,
        prob=statistics.fmean(aligned.probs[start:end]),
    )


def _without_pauses(texts: Sequence[Sequence[Word]]) -> list[list[Word]]:
    """Shorten the first and last word of each text where it is so long that it must hold a pause."""
    lengths = [word.end_ms - word.start_ms for words in texts for word in words if word.end_ms > word.start_ms]
    longest = 2 * min(MAX_MEDIAN_MS, int(statistics.median(lengths))) if lengths else MAX_MEDIAN_MS
    found: list[list[Word]] = []
    for words in map(list, texts):
        if words:
            words[0] = replace(words[0], start_ms=max(words[0].start_ms, words[0].end_ms - longest))
            words[-1] = replace(words[-1], end_ms=min(words[-1].end_ms, words[-1].start_ms + longest))
        found.append(words)
    return found
