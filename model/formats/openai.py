"""OpenAI's checkpoint: one file of torch.save with `dims` and `model_state_dict`.

It holds no vocabulary. One that is not OpenAI's lies beside the file as `<name>.tiktoken`. A model that does not want
its windows padded says so in a key of its own, which openai-whisper passes by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from model.bundle import OPENAI_LANGUAGES, Bundle, openai_vocabulary
from model.net import ModelDimensions
from model.tokenizer import NUM_SPECIAL_TOKENS
from model.vocabulary import Vocabulary
from pipeline.errors import UserError

PADS = "pads_windows"


def is_one(content: Mapping[str, Any]) -> bool:
    """Tell whether a loaded file is a checkpoint of OpenAI's layout."""
    return "dims" in content and "model_state_dict" in content


def read(path: str | Path, content: Mapping[str, Any]) -> Bundle:
    """Return the model of what torch.load(weights_only=True) gave for a path."""
    dims = ModelDimensions(**content["dims"])
    weights = {name: weight for name, weight in content["model_state_dict"].items() if name != "decoder.mask"}
    return Bundle(
        dims=dims,
        weights=weights,
        vocabulary=_vocabulary(Path(path), dims.n_vocab),
        pads_windows=content.get(PADS, True),
    )


def write(bundle: Bundle, path: str | Path) -> list[Path]:
    """Write the checkpoint, and the vocabulary beside it where it is not OpenAI's; return the files."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    content = {"dims": asdict(bundle.dims), "model_state_dict": dict(bundle.weights), PADS: bundle.pads_windows}
    torch.save(content, path)
    if bundle.is_openai_vocabulary:
        return [Path(path)]
    Path(path).with_suffix(".tiktoken").write_bytes(bundle.vocabulary.ranks)
    return [Path(path), Path(path).with_suffix(".tiktoken")]


def _vocabulary(path: Path, n_vocab: int) -> Vocabulary:
    beside = path.with_suffix(".tiktoken")
    if beside.exists():
        ranks = beside.read_bytes()
        return Vocabulary(ranks=ranks, num_languages=n_vocab - len(ranks.splitlines()) - NUM_SPECIAL_TOKENS)
    if n_vocab not in OPENAI_LANGUAGES:
        raise UserError(
            f"checkpoint {path} has {n_vocab} tokens, which is not OpenAI's multilingual vocabulary; expected "
            f"{sorted(OPENAI_LANGUAGES)}, or the vocabulary beside it; put its rank file at {beside}"
        )
    return openai_vocabulary(OPENAI_LANGUAGES[n_vocab])
