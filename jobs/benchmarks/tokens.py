"""Tokens per word on text that was held out, of OpenAI's vocabulary and of one learnt from the rest."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.tokenizer import Tokenizer, train_bpe
from pipeline.sources.embedded.sentences import LANGUAGES, draw_sentences

HELD_OUT = 5  # every fifth sentence
NUM_SENTENCES = 500  # of each language of the embedded corpus


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBench:
    """A folder of LANG.txt files, a sentence a line, or the embedded corpus; and the vocabulary's text tokens."""

    folder: str | None
    size: int


def bench_tokens(settings: TokenBench) -> Iterator[str]:
    """Yield a Markdown table, a language a line."""
    texts = _embedded() if settings.folder is None else _read(Path(settings.folder))
    learnt_from = [f" {text}" for lines in texts.values() for place, text in enumerate(lines) if place % HELD_OUT]
    openai = Tokenizer.openai()
    own = Tokenizer.from_ranks(train_bpe(learnt_from, settings.size))
    yield f"| tokens per word | words learnt from | words held out | openai | own, {settings.size} |"
    yield "| --- | --- | --- | --- | --- |"
    for lang, lines in texts.items():
        held_out = lines[::HELD_OUT]
        num_words = _num_words(held_out)
        rates = f"{_per_word(openai, held_out):.2f} | {_per_word(own, held_out):.2f}"
        yield f"| {lang} | {_num_words(lines) - num_words:,} | {num_words:,} | {rates} |"


def _embedded() -> dict[str, list[str]]:
    drawn = {lang: draw_sentences(lang, lang, set(), np.random.default_rng(0)) for lang in LANGUAGES}
    return {lang: [one.text for one in itertools.islice(drawn[lang], NUM_SENTENCES)] for lang in LANGUAGES}


def _read(folder: Path) -> dict[str, list[str]]:
    return {path.stem: path.read_text(encoding="utf-8").splitlines() for path in sorted(folder.glob("*.txt"))}


def _num_words(lines: Sequence[str]) -> int:
    return sum(len(text.split()) for text in lines)


def _per_word(tokenizer: Tokenizer, lines: Sequence[str]) -> float:
    return sum(len(tokenizer.encode(f" {text}")) for text in lines) / _num_words(lines)
