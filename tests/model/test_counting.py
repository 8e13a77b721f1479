"""Tokens are counted as the tasks write text, by OpenAI's vocabulary or a run's own."""

from __future__ import annotations

from pathlib import Path

from model.counting import TokenCounter
from model.tokenizer import Tokenizer, train_bpe


def test_openais_tokens_are_counted_exactly() -> None:
    texts = ["There will be rain.", "ዝናብ ይኖራል።"]
    encode = Tokenizer.openai().encode
    assert TokenCounter().counts(texts) == [len(encode(f" {text}")) for text in texts]
    assert TokenCounter().identity() == {"vocabulary": "openai"}


def test_a_vocabulary_of_ones_own_is_known_by_its_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.tiktoken", tmp_path / "b.tiktoken"
    for path in (first, second):
        path.write_bytes(train_bpe([" rain in the north"] * 20, 260))
    one, other = TokenCounter(ranks=str(first)), TokenCounter(ranks=str(second))
    assert one.identity() == other.identity()
    assert one.counts([" rain"])[0] < len(" rain") + 1
