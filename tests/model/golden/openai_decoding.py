"""Record what openai-whisper decodes with weights of a fixed rule; not a test, and not needed to run one.

It needs openai-whisper 20250625, which the project does not depend on:

    python -m tests.model.golden.openai_decoding

Our rules are stricter than openai-whisper's in two places (model/decoding/rules.py), so it is told to suppress the
same tokens: languages everywhere, timestamps and the marker of none where the prompt forbids them.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

PATH = Path(__file__).with_name("openai_decoding.json")
DIMS = {
    "n_mels": 80,
    "n_audio_ctx": 1500,
    "n_audio_state": 64,
    "n_audio_head": 2,
    "n_audio_layer": 1,
    "n_vocab": 51865,
    "n_text_ctx": 448,
    "n_text_state": 64,
    "n_text_head": 2,
    "n_text_layer": 2,
}
NUM_WINDOWS = 4
EOT, FIRST_LANGUAGE, NUM_LANGUAGES, NO_TIMESTAMPS, NUM_STAMPS = 50257, 50259, 99, 50363, 1501
PROMPT = list(range(1000, 1012))
# name: what openai-whisper's DecodingOptions are given; sampling is random and is not recorded
CASES: dict[str, dict[str, Any]] = {
    "greedy": {"without_timestamps": True},
    "greedy with timestamps": {},
    "greedy with a prompt": {"prompt": PROMPT},
    "greedy to translate": {"task": "translate", "language": "es", "without_timestamps": True},
    "greedy with any first timestamp": {"max_initial_timestamp": None},
    "greedy with every symbol": {"suppress_blank": False, "suppress_tokens": "", "without_timestamps": True},
    "beam": {"beam_size": 5, "without_timestamps": True},
    "beam with timestamps": {"beam_size": 5},
    "beam with a prompt": {"beam_size": 5, "prompt": PROMPT},
    "beam with patience": {"beam_size": 5, "patience": 2.0},
    "beam with length penalty": {"beam_size": 3, "length_penalty": 0.6, "without_timestamps": True},
}
SHARED = {"language": "en", "sample_len": 48, "fp16": False}


def fill(model: nn.Module) -> None:
    """Give every weight a value that depends on its name, its shape and this rule only.

    The scales make a model that says varied tokens and ends by itself: without them tied embeddings repeat the input.
    """
    for number, (name, weight) in enumerate(sorted(model.named_parameters())):
        generator = torch.Generator().manual_seed(number)
        values = torch.randn(weight.shape, generator=generator)
        if name.endswith("ln.weight") or "_ln.weight" in name or "ln_post.weight" in name:
            values = 1.0 + 0.1 * values
        elif weight.dim() == 1 or "positional" in name:
            values = (1.0 if "positional" in name else 0.1) * values
        elif "token_embedding" in name:
            values = 0.3 * values
            values[EOT] *= 4.5
        else:
            values = values * 2.0 / math.sqrt(weight[0].numel())
        weight.data.copy_(values)


def windows() -> Tensor:
    """Return the mel windows, (NUM_WINDOWS, 80, 3000)."""
    generator = torch.Generator().manual_seed(99)
    return torch.randn(NUM_WINDOWS, 80, 3000, generator=generator) * torch.linspace(0.2, 1.0, 3000)


def main() -> None:
    """Decode every case and write the answers."""
    import whisper  # pyright: ignore
    from whisper.model import ModelDimensions

    torch.set_num_threads(1)
    model = whisper.model.Whisper(ModelDimensions(**DIMS)).eval()
    fill(model)
    answers: dict[str, Any] = {}
    for name, given in CASES.items():
        found = []
        for mel_FT in windows():  # one by one: a batch goes on until its last window ends, which changes beams
            suppress = given.get("suppress_tokens", "-1")
            banned = [*range(FIRST_LANGUAGE, FIRST_LANGUAGE + NUM_LANGUAGES)]
            if given.get("without_timestamps"):
                banned += [NO_TIMESTAMPS, *range(NO_TIMESTAMPS + 1, NO_TIMESTAMPS + 1 + NUM_STAMPS)]
            listed = ",".join([*([suppress] if suppress else []), *map(str, banned)])
            options = whisper.DecodingOptions(**{**SHARED, **given, "suppress_tokens": listed})
            result = whisper.decode(model, mel_FT, options)
            found.append(
                {
                    "tokens": result.tokens,
                    "avg_logprob": round(result.avg_logprob, 5),
                    "no_speech_prob": result.no_speech_prob,
                    "compression_ratio": round(result.compression_ratio, 5),
                }
            )
        answers[name] = found
        print(name, [len(one["tokens"]) for one in found], [len(set(one["tokens"])) for one in found])
    _, probs = model.detect_language(windows())
    answers["languages"] = [{code: round(row[code], 7) for code in sorted(row, key=row.get)[-5:]} for row in probs]
    PATH.write_text(json.dumps(answers, indent=None, separators=(",", ":")).replace('],"', '],\n"') + "\n")


if __name__ == "__main__":
    main()
