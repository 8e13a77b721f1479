"""A vocabulary as the files of a Hugging Face tokenizer: tokenizer.json, its config, vocab.json and merges.txt."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as FastTokenizer

from model.bpe import merge_rules
from model.tokenizer import NUM_SPECIAL_TOKENS, Tokenizer, byte_of_char, rank_file
from model.vocabulary import Vocabulary
from pipeline.errors import UserError

TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"


def documents(tokenizer: Tokenizer, max_tokens: int) -> dict[str, Any]:
    """Return the JSON files by name; `max_tokens` is the decoder's context."""
    fast = _fast(tokenizer)
    plain: dict[str, Any] = json.loads(fast.to_str())
    added = {str(token["id"]): {key: token[key] for key in token if key != "id"} for token in plain["added_tokens"]}
    end = "<|endoftext|>"
    config = {
        "tokenizer_class": "WhisperTokenizer",
        "processor_class": "WhisperProcessor",
        "bos_token": end,
        "eos_token": end,
        "unk_token": end,
        "pad_token": end,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_tokens,
        "additional_special_tokens": [token["content"] for token in added.values() if token["special"]][1:],
        "added_tokens_decoder": added,
    }
    return {TOKENIZER: plain, TOKENIZER_CONFIG: config}


def read(folder: Path, n_vocab: int) -> Vocabulary:
    """Read the vocabulary of a folder whose tokens are not OpenAI's; UserError when it has no tokenizer.json."""
    if not (folder / TOKENIZER).is_file():
        raise UserError(
            f"folder {folder} has {n_vocab} tokens and no {TOKENIZER}; expected it, since they are not OpenAI's; "
            "export the model again"
        )
    vocab: dict[str, int] = json.loads((folder / TOKENIZER).read_bytes())["model"]["vocab"]
    ranks = {bytes(map(byte_of_char().__getitem__, token)): rank for token, rank in vocab.items()}
    return Vocabulary(ranks=rank_file(ranks), num_languages=n_vocab - len(ranks) - NUM_SPECIAL_TOKENS)


@functools.lru_cache(maxsize=2)
def _fast(tokenizer: Tokenizer) -> FastTokenizer:
    char_of = {byte: char for char, byte in byte_of_char().items()}
    vocab = {_chars(token, char_of): rank for token, rank in tokenizer.ranks.items()}
    merges = [(_chars(left, char_of), _chars(right, char_of)) for left, right in merge_rules(tokenizer.ranks)]
    fast = FastTokenizer(models.BPE(vocab=vocab, merges=merges))
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    names = list(tokenizer.special_ids)
    # Timestamps are ordinary added tokens: transformers takes the last special id for the one before them.
    first_time = names.index("<|0.00|>")
    fast.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in names[:first_time]])
    fast.add_tokens([AddedToken(name, normalized=False, special=False) for name in names[first_time:]])
    assert fast.get_vocab_size() == tokenizer.n_vocab
    return fast


def _chars(token: bytes, char_of: dict[int, str]) -> str:
    return "".join(map(char_of.__getitem__, token))
