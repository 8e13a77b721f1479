"""Merges by rank: the same tokens as tiktoken, the rules behind a rank file, and dropout."""

from __future__ import annotations

import random

import pytest

from model.bpe import merge, merge_rules
from model.tokenizer import Tokenizer, train_bpe

TEXTS = ["ሰላም ለዓለም ሁሉ", "the cat sat on the mat", "habari ya asubuhi"]
# a=0 b=1 c=2, ab=3, bc=4, abc=5
RANKS = {b"a": 0, b"b": 1, b"c": 2, b"ab": 3, b"bc": 4, b"abc": 5}


@pytest.mark.parametrize(
    ("word", "limit", "parts"),
    [
        (b"abc", None, [b"abc"]),
        (b"abc", 5, [b"ab", b"c"]),
        (b"cbc", None, [b"c", b"bc"]),
        (b"abab", None, [b"ab", b"ab"]),
        (b"", None, []),
    ],
)
def test_the_lowest_rank_merges_first(word: bytes, limit: int | None, parts: list[bytes]) -> None:
    assert merge(word, RANKS, limit) == parts


def test_rules_are_the_pairs_that_made_each_token() -> None:
    assert merge_rules(RANKS) == [(b"a", b"b"), (b"b", b"c"), (b"ab", b"c")]


@pytest.mark.parametrize("tokenizer", [Tokenizer.openai(), Tokenizer.from_ranks(train_bpe(TEXTS, 280))])
def test_no_dropout_gives_the_usual_tokens(tokenizer: Tokenizer) -> None:
    for text in [*TEXTS, " 's it's  two\n\nlines 日本語 🙂", ""]:
        assert tokenizer.encode_with_dropout(text, 0.0, lambda: 0.0) == tokenizer.encode(text)


def test_all_dropped_gives_bytes() -> None:
    tokenizer = Tokenizer.openai()
    ids = tokenizer.encode_with_dropout("mat", 1.0, lambda: 0.5)
    assert [tokenizer.decode([token]) for token in ids] == ["m", "a", "t"]


def test_some_dropped_gives_the_same_text_in_more_tokens() -> None:
    tokenizer, rng = Tokenizer.openai(), random.Random(0)
    text = " the cat sat on the mat, habari ya asubuhi"
    drawn = [tokenizer.encode_with_dropout(text, 0.1, rng.random) for _ in range(20)]
    assert {tokenizer.decode(ids) for ids in drawn} == {text}
    assert len({tuple(ids) for ids in drawn}) > 10
    assert min(map(len, drawn)) >= len(tokenizer.encode(text))
