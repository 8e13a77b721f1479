"""Where a run's weights come from: drawn anew, or another model's, of which parts are frozen or only adapted.

Token embeddings are taken over by what a token means, a text token's bytes or a special token's name: another
vocabulary, or one with more languages, keeps every row it shares. A new language begins as a copy of one like it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import torch
from torch import Tensor, nn

from model.checkpoint import load
from model.lora import add_lora
from model.net import ModelDimensions, Whisper
from model.tokenizer import Tokenizer
from pipeline.errors import UserError

EMBEDDING = "decoder.token_embedding.weight"
POSITIONS = ("encoder.positional_embedding", "decoder.positional_embedding")  # a shorter model takes the first ones
ANY_SIZE = ("n_vocab", "n_audio_ctx", "n_text_ctx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Adapters of this rank on the linear layers whose names match; `alpha` / rank scales them."""

    rank: int
    alpha: float
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Whose weights to begin with, and which stay as they are.

    `checkpoint` is ours, OpenAI's or a Hugging Face folder. `freeze` are patterns over the network's parameter names
    ("encoder.*"). `languages_like` gives a language's token the row of another one's: {gl: pt}.
    """

    checkpoint: str | None = None
    freeze: tuple[str, ...] = ()
    lora: Lora | None = None
    languages_like: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Refuse adapters and likenesses where nothing was learnt before."""
        if self.checkpoint is None and (self.lora is not None or self.freeze or self.languages_like):
            raise UserError(
                "start.freeze, start.lora and start.languages_like need weights to start from; expected "
                "start.checkpoint; give one"
            )

    def begin(self, net: Whisper, tokenizer: Tokenizer) -> None:
        """Load the weights into a new network and freeze what is not to be trained."""
        if self.checkpoint is None:
            return
        loaded = load(self.checkpoint)
        _check_sizes(self.checkpoint, loaded.net.dims, net.dims)
        weights = loaded.net.state_dict()
        for name in POSITIONS:
            weights[name] = weights[name][: net.state_dict()[name].shape[0]]
        weights[EMBEDDING] = self._rows(net.decoder.token_embedding.weight, tokenizer, weights, loaded.tokenizer)
        net.load_state_dict(weights)
        if self.lora is not None:
            add_lora(net, self.lora.targets, self.lora.rank, self.lora.alpha)
        _freeze(net, self.freeze)

    def _rows(
        self, fresh_VD: Tensor, mine: Tokenizer, weights: Mapping[str, Tensor], theirs: Tokenizer
    ) -> torch.Tensor:
        """Return the embedding: shared tokens' rows from the checkpoint, the others as drawn, or like another's."""
        known = {_meaning(theirs, token): token for token in range(theirs.n_vocab)}
        pairs = [(token, known.get(_meaning(mine, token))) for token in range(mine.n_vocab)]
        for lang, like in self.languages_like.items():
            pairs.append((mine.language_id(lang), theirs.language_id(like)))
        shared = [(token, source) for token, source in pairs if source is not None]
        rows_VD = fresh_VD.detach().clone()
        rows_VD[[token for token, _ in shared]] = weights[EMBEDDING][[source for _, source in shared]]
        return rows_VD

    def to_plain(self) -> dict[str, Any]:
        """Return what a resumed run must have in common: what is trained."""
        lora = None if self.lora is None else [self.lora.rank, self.lora.alpha, list(self.lora.targets)]
        return {"freeze": list(self.freeze), "lora": lora}


def _meaning(tokenizer: Tokenizer, token: int) -> bytes | tuple[str, int]:
    """Return what a token stands for in any vocabulary: bytes of text, or a special token's place in its kind."""
    if token < tokenizer.num_text_tokens:
        return tokenizer.bytes_of(token)
    if token in tokenizer.all_language_ids:
        return ("language", token - tokenizer.all_language_ids[0])
    if token < tokenizer.all_language_ids[0]:
        return ("start", token - tokenizer.num_text_tokens)
    return ("rest", token - tokenizer.all_language_ids[-1])


def _check_sizes(path: str, theirs: ModelDimensions, mine: ModelDimensions) -> None:
    names = [name for name in ModelDimensions.__dataclass_fields__ if name not in ANY_SIZE]
    wrong = {name: getattr(theirs, name) for name in names if getattr(theirs, name) != getattr(mine, name)}
    short = {name: getattr(theirs, name) for name in ANY_SIZE[1:] if getattr(theirs, name) < getattr(mine, name)}
    if wrong or short:
        raise UserError(
            f"start.checkpoint {path} has other sizes, {wrong | short}; expected those of the run, or a longer "
            "context; choose the checkpoint's size=NAME"
        )


def _freeze(net: nn.Module, patterns: Sequence[str]) -> None:
    names = [name for name, _ in net.named_parameters()]
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise UserError(
                f"start.freeze {pattern!r} matches no parameter; expected names like encoder.blocks.0.mlp.0.weight, "
                "with * for any; mend the pattern"
            )
    for name, weight in net.named_parameters():
        if any(fnmatch(name, pattern) for pattern in patterns):
            weight.requires_grad_(False)
    if not any(weight.requires_grad for weight in net.parameters()):
        raise UserError(f"start.freeze {list(patterns)} leaves nothing to train; expected some of it; freeze less")
