"""A checkpoint stands alone: beside the weights it carries sizes, vocabulary and what it was trained on.

Models of others load the same way: OpenAI's `.pt` files and Hugging Face folders with safetensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pickle import UnpicklingError
from typing import Any, Literal

import torch
from torch import Tensor

from model.bundle import Bundle, Heads
from model.formats import huggingface, openai
from model.lora import merged
from model.net import ModelDimensions, Whisper
from model.tokenizer import Tokenizer
from model.vocabulary import Vocabulary
from pipeline.errors import UserError

KEY = "sotto"
NETWORK_PREFIX, AVERAGE_PREFIX = "net.", "ema."
EXPECTED = "expected a .ckpt of jobs/train.py, OpenAI's .pt, or a Hugging Face folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a checkpoint says about itself; `audio` is speech, or silence for a run that heard nothing.

    A model of others names no shards.
    """

    dims: ModelDimensions
    vocabulary: Vocabulary
    shards_uri: str | None
    shards_fingerprint: str | None
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
    """A checkpoint ready for use: the network in evaluation mode, its vocabulary, its card, its step.

    `pads_windows`: it wants windows filled to the full context. Training here leaves windows as they are, so whatever
    has our card does not, a model of others that was trained further neither.
    """

    net: Whisper
    tokenizer: Tokenizer
    card: Card
    step: int
    alignment_heads: Heads = ()
    pads_windows: bool = False

    def bundle(self) -> Bundle:
        """Return what the file formats hold, on the CPU."""
        weights = {name: weight.detach().cpu() for name, weight in self.net.state_dict().items()}
        return Bundle(
            dims=self.card.dims,
            weights=weights,
            vocabulary=self.card.vocabulary,
            alignment_heads=self.alignment_heads,
            pads_windows=self.pads_windows,
        )


def load(path: str, device: torch.device | str = "cpu") -> Loaded:
    """Load a checkpoint of ours, OpenAI's or Hugging Face's; UserError for what is none. Never unpickles code."""
    if huggingface.is_one(path):
        return _foreign(huggingface.read(path), device)
    content = _read(path)
    if openai.is_one(content):
        return _foreign(openai.read(path, content), device)
    if KEY not in content:
        raise UserError(f"checkpoint {path} has no {KEY!r} card; {EXPECTED}; choose another file")
    card = Card.from_plain(content[KEY])
    net = Whisper(card.dims)
    net.load_state_dict(network_weights(content["state_dict"]))
    return Loaded(
        net=net.to(device).eval(), tokenizer=card.vocabulary.tokenizer(), card=card, step=content["global_step"]
    )


def network_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under OpenAI's keys, without heads that only training uses.

    Where a moving average was kept it is what is returned; adapters are folded in.
    """
    prefix = AVERAGE_PREFIX if any(key.startswith(AVERAGE_PREFIX) for key in state) else NETWORK_PREFIX
    return merged({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)})


def _read(path: str) -> dict[str, Any]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError as error:
        raise UserError(f"checkpoint {path} does not exist; {EXPECTED}; train first") from error
    except (IsADirectoryError, UnpicklingError, RuntimeError) as error:
        raise UserError(f"checkpoint {path} is no file of weights; {EXPECTED}; choose another") from error


def _foreign(bundle: Bundle, device: torch.device | str) -> Loaded:
    card = Card(
        dims=bundle.dims, vocabulary=bundle.vocabulary, shards_uri=None, shards_fingerprint=None, audio="speech"
    )
    return Loaded(
        net=bundle.network().to(device),
        tokenizer=bundle.vocabulary.tokenizer(),
        card=card,
        step=0,
        alignment_heads=bundle.alignment_heads,
        pads_windows=bundle.pads_windows,
    )
