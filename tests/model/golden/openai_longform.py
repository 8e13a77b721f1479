"""Record what openai-whisper's transcribe() makes of a long recording, and when it says each word; not a test.

It needs openai-whisper 20250625, which the project does not depend on:

    python -m tests.model.golden.openai_longform

Weights and windows come from tests/model/golden/openai_decoding.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.model.golden.openai_decoding import DIMS, FIRST_LANGUAGE, NUM_LANGUAGES, fill

PATH = Path(__file__).with_name("openai_longform.json")
NUM_FRAMES = 7_010
CASES: dict[str, dict[str, Any]] = {
    "told": {"condition_on_previous_text": True},
    "untold": {"condition_on_previous_text": False},
    "silent": {"condition_on_previous_text": False, "no_speech_threshold": 1e-6, "logprob_threshold": 0.0},
}
WORDS_WINDOW, WORDS_TEXT = 1, " Habari ya asubuhi, dunia! Leo ni siku nzuri."


def mel() -> Tensor:
    """Return a recording's features, (80, NUM_FRAMES)."""
    generator = torch.Generator().manual_seed(7)
    return torch.randn(80, NUM_FRAMES, generator=generator) * torch.linspace(0.2, 1.0, NUM_FRAMES)


def main() -> None:
    """Transcribe and align, and write the answers."""
    import whisper  # pyright: ignore
    from whisper import timing  # pyright: ignore

    torch.set_num_threads(1)
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**DIMS)).eval()
    fill(model)
    padded = torch.nn.functional.pad(mel(), (0, 3000))
    whisper.transcribe.__globals__["log_mel_spectrogram"] = lambda *_args, **_kwargs: padded
    banned = ",".join(["-1", *map(str, range(FIRST_LANGUAGE, FIRST_LANGUAGE + NUM_LANGUAGES))])
    answers: dict[str, Any] = {}
    for name, given in CASES.items():
        found = model.transcribe(
            torch.zeros(1), language="en", temperature=0.0, fp16=False, verbose=None, sample_len=48,
            compression_ratio_threshold=None, suppress_tokens=banned, **{"no_speech_threshold": None, **given},
        )  # fmt: skip
        kept = [one for one in found["segments"] if one["tokens"]]
        answers[name] = [[round(one["start"] * 1000), round(one["end"] * 1000), one["tokens"]] for one in kept]
        print(name, [row[:2] for row in answers[name]])
    tokenizer = whisper.tokenizer.get_tokenizer(True, num_languages=99, language="sw", task="transcribe")
    text = tokenizer.encode(WORDS_TEXT)
    window = torch.nn.functional.pad(mel()[:, :1000], (0, 2000))
    words = timing.find_alignment(model, tokenizer, text, window, 1000)
    timing.merge_punctuations(words, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
    answers["words"] = [[one.word, round(one.start * 1000), round(one.end * 1000)] for one in words if one.word]
    print(answers["words"])
    PATH.write_text(json.dumps(answers, ensure_ascii=False).replace("]], ", "]],\n") + "\n")


if __name__ == "__main__":
    main()
