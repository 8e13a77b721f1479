"""Record what openai-whisper computes for weights that are sines; not a test, and not needed to run one.

It needs openai-whisper 20250625, which the project does not depend on:

    python -m tests.model.golden.openai_network

Weights and inputs come from tests/model/sines.py, so only answers are stored: logits at a few places, language tokens.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
import whisper
from whisper.tokenizer import get_tokenizer

from tests.model.sines import DIMS, PLACES, mel_of, tokens_of, weights_of

PATH = Path(__file__).with_name("openai_network.json")


@torch.no_grad()
def logits(name: str) -> list[float]:
    """Return openai-whisper's logits at PLACES."""
    dims = whisper.model.ModelDimensions(**asdict(DIMS[name]))
    model = whisper.model.Whisper(dims).eval()
    model.load_state_dict(weights_of(model.state_dict()))
    found = model(mel_of(DIMS[name]), tokens_of(DIMS[name]))
    return [round(float(found[place]), 6) for place in PLACES]


def languages(number: int) -> dict[str, int]:
    """Return the token of every language, by code."""
    tokenizer = get_tokenizer(multilingual=True, num_languages=number)
    return dict(zip(tokenizer.all_language_codes, tokenizer.all_language_tokens, strict=True))


if __name__ == "__main__":
    content = {
        "logits": {name: logits(name) for name in DIMS},
        "languages": {str(number): languages(number) for number in (99, 100)},
    }
    PATH.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
