"""A checkpoint stands alone: beside the weights it carries sizes, vocabulary and what it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor

from model.net import ModelDimensions, Whisper
from model.tokenizer import Tokenizer
from model.vocabulary import Vocabulary
from pipeline.errors import UserError

KEY = "sotto"
NETWORK_PREFIX = "net."


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a checkpoint says about itself; `audio` is speech, or silence for a run that heard nothing."""

    dims: ModelDimensions
    vocabulary: Vocabulary
    shards_uri: str
    shards_fingerprint: str
    audio: Literal["speech", "silence"]

    def to_plain(self) -> dict[str, Any]:
        """Return the card as what torch.load(weights_only=True) reads."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Card:
        """Read what to_plain wrote."""
        rest = {item.name: plain[item.name] for item in fields(cls) if item.name not in ("dims", "vocabulary")}
        return cls(dims=ModelDimensions(**plain["dims"]), vocabulary=Vocabulary(**plain["vocabulary"]), **rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A checkpoint ready for use: the network in evaluation mode, its vocabulary, its card, its step."""

    net: Whisper
    tokenizer: Tokenizer
    card: Card
    step: int


def load(path: str, device: torch.device | str = "cpu") -> Loaded:
    """Load a checkpoint that jobs/train.py wrote; UserError for a file that is none. Never unpickles code."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError as error:
        raise UserError(f"checkpoint {path} does not exist; expected a .ckpt of jobs/train.py; train first") from error
    if KEY not in content:
        raise UserError(
            f"checkpoint {path} has no {KEY!r} card; expected a .ckpt of jobs/train.py; choose another file"
        )
    card = Card.from_plain(content[KEY])
    net = Whisper(card.dims)
    net.load_state_dict(network_weights(content["state_dict"]))
    return Loaded(
        net=net.to(device).eval(), tokenizer=card.vocabulary.tokenizer(), card=card, step=content["global_step"]
    )


def network_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under OpenAI's keys, without heads that only training uses."""
    return {key.removeprefix(NETWORK_PREFIX): value for key, value in state.items() if key.startswith(NETWORK_PREFIX)}
