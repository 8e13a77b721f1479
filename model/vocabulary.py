"""Where a run's vocabulary comes from: OpenAI's, or byte-BPE learnt from the training texts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Protocol

from model.tokenizer import Tokenizer, train_bpe

Texts = Callable[[], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """A rank file's content and how many languages have tokens; enough to build the tokenizer again."""

    ranks: bytes
    num_languages: int

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer, built once: OpenAI's takes half a second."""
        return _built(self)


class VocabularySource(Protocol):
    """A way to get a vocabulary."""

    def build(self, texts: Texts) -> Vocabulary:
        """Return the vocabulary; `texts` lists the training texts, and is called only where they are needed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAI:
    """OpenAI's multilingual vocabulary: 99 languages for v1 and v2 checkpoints, 100 for v3."""

    num_languages: int

    def build(self, texts: Texts) -> Vocabulary:
        """Return the vocabulary; the texts are not read."""
        ranks = resources.files("model").joinpath("assets/multilingual.tiktoken").read_bytes()
        return Vocabulary(ranks=ranks, num_languages=self.num_languages)


@dataclass(frozen=True, slots=True, kw_only=True)
class FromCorpus:
    """Byte-BPE of `size` text tokens, the 256 bytes among them, learnt from the training texts."""

    size: int
    num_languages: int

    def build(self, texts: Texts) -> Vocabulary:
        """Learn the vocabulary; the same texts give the same bytes."""
        spaced = [f" {text}" for text in texts()]  # as the tasks write text
        return Vocabulary(ranks=train_bpe(spaced, self.size), num_languages=self.num_languages)


@functools.lru_cache(maxsize=4)
def _built(vocabulary: Vocabulary) -> Tokenizer:
    return Tokenizer.from_ranks(vocabulary.ranks, vocabulary.num_languages)
