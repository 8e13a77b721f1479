"""How many tokens a text takes: exactly, for checks that must know what fits into the decoder's context."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounter:
    """Count with a rank file (a corpus's own vocabulary), or with OpenAI's multilingual one where `ranks` is None."""

    ranks: str | None = None

    def identity(self) -> Mapping[str, str]:
        """Return the hash of the vocabulary: where its file lies changes no count."""
        if self.ranks is None:
            return {"vocabulary": "openai"}
        return {"vocabulary_sha256": hashlib.sha256(Path(self.ranks).read_bytes()).hexdigest()}

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text as the tasks write it: after a space."""
        tokenizer = _tokenizer(self.ranks)
        return [len(tokenizer.encode(f" {text}")) for text in texts]


@functools.cache
def _tokenizer(ranks: str | None) -> Tokenizer:
    return Tokenizer.openai() if ranks is None else Tokenizer.from_ranks(Path(ranks))
