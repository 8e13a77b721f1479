"""A model as every file format holds it: sizes, weights under OpenAI's keys, vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.net import ModelDimensions, Whisper
from model.vocabulary import OpenAI, Vocabulary
from pipeline.errors import DataError

# Text, 99 languages and special tokens of v1 and v2; v3 has one language more.
OPENAI_LANGUAGES = {51_865: 99, 51_866: 100}

Heads = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What is read from or written to a file of any format.

    `alignment_heads` are (layer, head) of the cross-attention that follows the speech, where somebody found them.
    `pads_windows`: it learnt windows filled to the full context only, as models of others; ours take them as they are.
    """

    dims: ModelDimensions
    weights: Mapping[str, Tensor]
    vocabulary: Vocabulary
    alignment_heads: Heads = ()
    pads_windows: bool = True

    @property
    def is_openai_vocabulary(self) -> bool:
        """Tell whether the text tokens are OpenAI's, to the byte."""
        languages = OPENAI_LANGUAGES.get(self.dims.n_vocab)
        return languages is not None and self.vocabulary == openai_vocabulary(languages)

    def to(self, dtype: torch.dtype) -> Bundle:
        """Return the bundle with its weights in another precision."""
        return replace(self, weights={name: weight.to(dtype) for name, weight in self.weights.items()})

    def network(self) -> Whisper:
        """Build the network, in float32 and evaluation mode."""
        with torch.device("meta"):
            net = Whisper(self.dims)
        net = net.to_empty(device="cpu")
        try:
            net.load_state_dict(dict(self.weights))
        except RuntimeError as error:
            raise DataError(
                f"weights do not fit their sizes: {error}; expected {self.dims}; fetch the file again"
            ) from error
        return net.eval()


def openai_vocabulary(num_languages: int) -> Vocabulary:
    """Return OpenAI's multilingual vocabulary with 99 or 100 languages."""
    return OpenAI(num_languages=num_languages).build(lambda: [])
