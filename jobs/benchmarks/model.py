"""One training step, forward and backward, beside transformers with the same weights; with a GPU's MFU where one is."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from jobs.benchmarks.decode import FULL_FRAMES, TINY
from model.bundle import Bundle, openai_vocabulary
from model.formats import huggingface
from model.net import Whisper

Step = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBench:
    """Rows and tokens of a batch, seconds of its windows, and the card's dense bf16 peak for the MFU."""

    batch_size: int
    window_s: int
    num_tokens: int
    num_rounds: int
    peak_tflops: float


def bench_model(settings: ModelBench) -> Iterator[str]:
    """Yield a Markdown table; in bf16 on a GPU, in float32 on a CPU. transformers takes 30 s whatever it is given."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = Whisper(TINY).to(device)
    generator = torch.Generator().manual_seed(0)
    mel_BFT = torch.randn(settings.batch_size, TINY.n_mels, settings.window_s * 100, generator=generator).to(device)
    shape = (settings.batch_size, settings.num_tokens + 1)
    tokens_BL = torch.randint(TINY.n_vocab, shape, generator=generator).to(device)
    steps = {"sotto": _ours(net, mel_BFT, tokens_BL), "transformers": _theirs(net, mel_BFT, tokens_BL)}
    counter = FlopCounterMode(display=False)
    with counter:
        steps["sotto"]()
    seconds = _take_turns(steps, settings.num_rounds, device)
    yield f"tiny, {settings.batch_size} windows of {settings.window_s} s, {settings.num_tokens} tokens, {device.type}"
    yield "| implementation | ms a step | speed, transformers = 1 | TFLOP/s | MFU |"
    yield "| --- | --- | --- | --- | --- |"
    for name, taken in seconds.items():
        median_s = statistics.median(taken)
        speed = statistics.median(other / own for other, own in zip(seconds["transformers"], taken, strict=True))
        rate = counter.get_total_flops() / median_s / 1e12
        mfu = f"{rate / settings.peak_tflops:.1%}" if device.type == "cuda" else "-"
        yield f"| {name} | {1000 * median_s:.0f} | {speed:.2f} | {rate:.2f} | {mfu} |"


def _ours(net: Whisper, mel_BFT: Tensor, tokens_BL: Tensor) -> Step:
    def step() -> None:
        with torch.autocast(mel_BFT.device.type, torch.bfloat16, enabled=mel_BFT.is_cuda):
            logits_BLV = net(mel_BFT, tokens_BL[:, :-1])
        F.cross_entropy(logits_BLV.flatten(0, 1), tokens_BL[:, 1:].flatten()).backward()
        net.zero_grad()

    return step


def _theirs(net: Whisper, mel_BFT: Tensor, tokens_BL: Tensor) -> Step:
    from transformers import WhisperForConditionalGeneration

    with tempfile.TemporaryDirectory() as folder:
        weights = {name: weight.detach().cpu() for name, weight in net.state_dict().items()}
        huggingface.write(Bundle(dims=TINY, weights=weights, vocabulary=openai_vocabulary(99)), folder)
        theirs: Any = WhisperForConditionalGeneration.from_pretrained(folder)
    theirs = theirs.to(mel_BFT.device).train()
    padded_BFT = F.pad(mel_BFT, (0, FULL_FRAMES - mel_BFT.shape[2]))

    def step() -> None:
        with torch.autocast(mel_BFT.device.type, torch.bfloat16, enabled=mel_BFT.is_cuda):
            logits_BLV = theirs(input_features=padded_BFT, decoder_input_ids=tokens_BL[:, :-1], use_cache=False).logits
        F.cross_entropy(logits_BLV.float().flatten(0, 1), tokens_BL[:, 1:].flatten()).backward()
        theirs.zero_grad()

    return step


def _take_turns(steps: dict[str, Step], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Return the wall seconds of each step in each round: a GPU's time is no CPU's."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            start_s = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name] += [time.perf_counter() - start_s] if turn else []  # the first one does not count
    return seconds
