"""Text to token ids and back, for OpenAI's multilingual vocabulary or one trained on our own corpus.

Both are byte-level BPE ranks followed by the same special tokens in OpenAI's order: end of text, start of
transcript, languages by slot, tasks, markers, 1501 timestamps. Text never becomes a special token, whatever
a web page wrote; special tokens never become text.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Literal

import tiktoken
from tokenizers import Regex, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as TrainableTokenizer

from model.bpe import merge
from pipeline.errors import DataError, UserError, unknown_name
from pipeline.languages import LANGUAGES

TIMESTAMP_STEP_MS = 20  # Whisper §2.3
MAX_TIMESTAMP_MS = 30_000
NUM_TIMESTAMPS = MAX_TIMESTAMP_MS // TIMESTAMP_STEP_MS + 1
NUM_SPECIAL_TOKENS = 8 + NUM_TIMESTAMPS  # languages aside

# GPT-2's word pattern, which OpenAI's multilingual vocabulary keeps.
WORD_PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

_WORDS = pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="isolated")
_EMPTY = b"="  # how OpenAI's file writes its last text token, which is empty


class Tokenizer:
    """Hold one vocabulary: `num_text_tokens` ranks, then the special tokens; immutable."""

    def __init__(self, ranks: dict[bytes, int], num_languages: int) -> None:
        """Lay special tokens out after the ranks; languages are those with a slot below `num_languages`."""
        self.codes = _codes(num_languages)
        names = _special_names(self.codes)
        ids = {name: len(ranks) + place for place, name in enumerate(names)}
        self._encoding = tiktoken.Encoding(
            name="sotto",
            pat_str=WORD_PATTERN,
            mergeable_ranks=ranks,
            special_tokens=ids,
            explicit_n_vocab=len(ranks) + len(ids),
        )
        self.ranks: Mapping[bytes, int] = ranks
        self.special_ids: Mapping[str, int] = ids
        self.num_text_tokens = len(ranks)
        self.n_vocab = len(ranks) + len(ids)
        self.eot = ids["<|endoftext|>"]
        self.sot = ids["<|startoftranscript|>"]
        self.translate = ids["<|translate|>"]
        self.transcribe = ids["<|transcribe|>"]
        self.sot_lm = ids["<|startoflm|>"]
        self.sot_prev = ids["<|startofprev|>"]
        self.no_speech = ids["<|nospeech|>"]
        self.no_timestamps = ids["<|notimestamps|>"]
        self.timestamp_begin = ids["<|0.00|>"]
        self.all_language_ids = tuple(self.sot + 1 + slot for slot in range(num_languages))
        self.fingerprint = hashlib.sha256(rank_file(ranks) + "\n".join(names).encode()).hexdigest()

    @classmethod
    def openai(cls, num_languages: int = 99) -> Tokenizer:
        """Return OpenAI's multilingual vocabulary: 99 languages for v1 and v2, 100 for v3."""
        return _openai(num_languages)

    @classmethod
    def from_ranks(cls, source: str | Path | bytes, num_languages: int = 100) -> Tokenizer:
        """Load a rank file (a path, or its content): lines of base64 token, space, rank."""
        return cls(_parse_ranks(source), num_languages)

    def encode(self, text: str) -> list[int]:
        """Return text tokens only; a literal '<|en|>' in the text is ordinary text."""
        return self._encoding.encode_ordinary(text)

    def encode_with_dropout(self, text: str, dropout: float, draw: Callable[[], float]) -> list[int]:
        """Return text tokens as `encode` does, but for merges left out with probability `dropout`.

        `draw` gives uniform numbers in [0, 1). 30 times slower than `encode`, and made for training.
        """
        words = (word.encode() for word, _ in _WORDS.pre_tokenize_str(text))
        merged = (merge(word, self.ranks, is_dropped=lambda: draw() < dropout) for word in words)
        return [self.ranks[token] for parts in merged for token in parts]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the text tokens, special ones dropped; broken UTF-8 becomes U+FFFD."""
        return self._encoding.decode(self.text_tokens(ids))

    def text_tokens(self, ids: Iterable[int]) -> list[int]:
        """Return the text tokens among all."""
        return [token for token in ids if token < self.eot]

    def bytes_of(self, token: int) -> bytes:
        """Return what a token writes; a character may be shared by several."""
        return self._encoding.decode_single_token_bytes(token)

    def language_id(self, code: str) -> int:
        """Return a language's token; UserError when this vocabulary lacks it."""
        if code not in self.codes:
            raise unknown_name("language token", code, self.codes)
        return self.sot + 1 + LANGUAGES[code].slot

    def language_of(self, token: int) -> str:
        """Return the language of a language token."""
        if token not in self.all_language_ids:
            first, last = self.all_language_ids[0], self.all_language_ids[-1]
            raise UserError(f"token {token} is no language token; they are {first} to {last}; check the vocabulary")
        return self.codes[token - self.sot - 1]

    def timestamp(self, ms: int) -> int:
        """Return the token of the nearest 20 ms step; DataError outside 0 to 30,000 ms."""
        if not 0 <= ms <= MAX_TIMESTAMP_MS:
            raise DataError(
                f"timestamp {ms} ms lies outside the window; "
                f"expected 0 to {MAX_TIMESTAMP_MS}; cut cues to their segment first"
            )
        return self.timestamp_begin + (ms + TIMESTAMP_STEP_MS // 2) // TIMESTAMP_STEP_MS

    def sot_sequence(self, lang: str, task: Literal["transcribe", "translate"], timestamps: bool = False) -> list[int]:
        """Return the prompt that asks for a task (Whisper, Figure 1)."""
        task_id = self.transcribe if task == "transcribe" else self.translate
        return [self.sot, self.language_id(lang), task_id] + ([] if timestamps else [self.no_timestamps])


def train_bpe(texts: Iterable[str], vocab_size: int) -> bytes:
    """Learn a byte-level BPE of `vocab_size` text tokens and return it as a rank file.

    The same texts in the same order give the same bytes. UserError when the text is too small for the size.
    """
    if vocab_size < 256:
        raise UserError(f"vocab_size {vocab_size} is too small; the 256 bytes come first; ask for more")
    vocab = _train(texts, vocab_size).get_vocab()
    if len(vocab) < vocab_size:
        raise UserError(
            f"vocab_size {vocab_size} is too large for these texts; "
            f"they give {len(vocab)} tokens; add text or ask for fewer"
        )
    byte_of = byte_of_char()
    return rank_file({bytes(byte_of[char] for char in token): rank for token, rank in vocab.items()})


def rank_file(ranks: Mapping[bytes, int]) -> bytes:
    """Write ranks as a rank file."""
    in_order = sorted(ranks, key=ranks.__getitem__)
    return b"".join(b"%s %d\n" % (base64.b64encode(token) or _EMPTY, ranks[token]) for token in in_order)


@functools.cache
def byte_of_char() -> dict[str, int]:
    """Return GPT-2's map from printable stand-in characters back to bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


def _train(texts: Iterable[str], vocab_size: int) -> TrainableTokenizer:
    """Train with `tokenizers`; ids follow the order of the merges, so they serve as tiktoken's ranks."""
    bpe = TrainableTokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            _WORDS,
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(texts, trainer)
    return bpe


@functools.cache
def _openai(num_languages: int) -> Tokenizer:
    ranks = resources.files("model").joinpath("assets/multilingual.tiktoken").read_bytes()
    return Tokenizer.from_ranks(ranks, num_languages)


def _codes(num_languages: int) -> tuple[str, ...]:
    if not 1 <= num_languages <= len(LANGUAGES):
        raise UserError(
            f"num_languages {num_languages} does not fit the language table; "
            f"expected 1 to {len(LANGUAGES)}; OpenAI's are 99 (v1, v2) and 100 (v3)"
        )
    by_slot = sorted(LANGUAGES.values(), key=lambda language: language.slot)
    return tuple(language.code for language in by_slot[:num_languages])


def _special_names(codes: Sequence[str]) -> list[str]:
    return [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{code}|>" for code in codes),
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
        *(f"<|{step * TIMESTAMP_STEP_MS / 1000:.2f}|>" for step in range(NUM_TIMESTAMPS)),
    ]


def _parse_ranks(source: str | Path | bytes) -> dict[bytes, int]:
    name, content = ("<bytes>", source) if isinstance(source, bytes) else (str(source), Path(source).read_bytes())
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            token, rank = line.split()
            ranks[b"" if token == _EMPTY else base64.b64decode(token, validate=True)] = int(rank)
        except ValueError as error:
            raise DataError(
                f"rank file {name!r} is malformed at line {number}; "
                "expected base64 token, space, rank; fetch or train it again"
            ) from error
    has_all_bytes = all(bytes([byte]) in ranks for byte in range(256))
    if not has_all_bytes or sorted(ranks.values()) != list(range(len(ranks))):
        raise DataError(
            f"rank file {name!r} is incomplete; expected all 256 bytes and ranks 0 to n-1; fetch or train it again"
        )
    return ranks
