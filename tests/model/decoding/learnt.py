"""A tiny model that learnt windows by heart: three with text, one without speech; and what to ask it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.decoding.batch import decode
from model.decoding.engine import Engine
from model.decoding.options import Decoded, DecodeOptions, Window
from model.net import ModelDimensions, Whisper
from model.tokenizer import Tokenizer, train_bpe

TOKENIZER = Tokenizer.from_ranks(train_bpe([], 256))
DIMS = ModelDimensions(
    n_mels=8, n_audio_ctx=30, n_audio_state=48, n_audio_head=4, n_audio_layer=1,
    n_vocab=TOKENIZER.n_vocab, n_text_ctx=32, n_text_state=48, n_text_head=4, n_text_layer=1,
)  # fmt: skip
LENGTHS = (60, 31, 44, 20)
LANGS = ("en", "am", "sw")
TEXTS = (" a long sentence", " ab", " medium")
STAMPS = (0, 28)  # steps of 20 ms: where each text starts and ends, when asked


@dataclass(frozen=True)
class Learnt:
    """The model and its windows, mel_FT each."""

    net: Whisper
    engine: Engine
    mels: list[Tensor]


def learn() -> Learnt:
    """Train for a second."""
    torch.manual_seed(0)
    net, mel_BFT, lengths_B = Whisper(DIMS), torch.randn(4, 8, 60), torch.tensor(LENGTHS)
    sequences = [
        [*TOKENIZER.sot_sequence(lang, "transcribe"), *TOKENIZER.encode(text), TOKENIZER.eot]
        for lang, text in zip(LANGS, TEXTS, strict=True)
    ]
    sequences.append([TOKENIZER.sot, TOKENIZER.no_speech, TOKENIZER.eot])
    width = max(map(len, sequences))
    inputs = torch.tensor([row + [TOKENIZER.eot] * (width - len(row)) for row in sequences])
    targets = torch.tensor([row[1:] + [-100] * (width - len(row)) for row in sequences])
    optimizer = torch.optim.AdamW(net.parameters(), lr=8e-3)
    for _ in range(60):
        logits = net(mel_BFT, inputs[:, :-1], lengths_B)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    mels = [mel_FT[:, :length] for mel_FT, length in zip(mel_BFT, LENGTHS, strict=True)]
    return Learnt(net.eval(), Engine(net), mels)


def ask(learnt: Learnt, rows: list[int], options: DecodeOptions | None = None, size: int = 16) -> list[Decoded]:
    """Decode the windows of these rows, each in its language, English where nobody speaks."""
    langs = (*LANGS, "en")
    windows = [Window(mel_FT=learnt.mels[row], lang=langs[row], seed=str(row)) for row in rows]
    return decode(learnt.engine, TOKENIZER, windows, options or DecodeOptions(), size)
