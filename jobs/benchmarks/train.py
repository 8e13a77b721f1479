"""Training steps: our trainer beside a bare loop with the same network, and beside transformers' Whisper.

The windows last 10 s on average. Our batches hold windows alike in length; transformers' takes 30 s for each, as its
feature extractor gives them. Its features are made beforehand, ours in the step.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningDataModule
from torch.utils.data import Dataset

from jobs.benchmarks.decode import FULL_FRAMES, TINY
from model.alignment import IGNORED
from model.bundle import Bundle, openai_vocabulary
from model.checkpoint import Card
from model.data.batch import Batch, made_up
from model.data.loader import BatchLoader
from model.flops import batch_flops
from model.formats import huggingface
from model.mel import HOP, SAMPLE_RATE
from model.training.module import Logging, SottoModule
from model.training.optimisation import Optimisation
from model.training.trainer import TrainerConfig, make_trainer

PLAN = Optimisation(
    learning_rate=1e-3, warmup_steps=10, max_steps=1, beta1=0.9, beta2=0.98, eps=1e-6, weight_decay=0.1, clip_norm=1.0
)
MEAN_S, LEAST_S, MOST_S = 10.0, 1.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainBench:
    """Rows of a batch, batches and rounds of each in turn, tokens of a window, and a device's peak for the MFU."""

    rows: int
    num_batches: int
    num_rounds: int
    num_tokens: int
    peak_tflops: float


def bench_train(settings: TrainBench) -> Iterator[str]:
    """Yield a Markdown table: real audio a second and CPU time a step, in bf16 on a GPU and float32 on a CPU."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lengths_s = _lengths(settings)
    ours = [_batch(rows_s, settings.num_tokens) for rows_s in _dealt(lengths_s, settings.rows)]
    runs: dict[str, Callable[[], None]] = {
        "sotto's trainer": _trainer(ours, device),
        "bare loop": _bare(ours, device),
        "transformers, 30 s": _theirs(settings, len(lengths_s), device),
    }
    wall, cpu = _take_turns(runs, settings.num_rounds, device)
    audio_s = sum(lengths_s)
    yield f"tiny, {len(lengths_s)} windows of {audio_s / len(lengths_s):.1f} s on average, {device.type}"
    yield "| steps | audio seconds a second | CPU s | CPU, bare loop = 1 | speed, transformers = 1 |"
    yield "| --- | --- | --- | --- | --- |"
    for name in runs:
        cost = _ratio(cpu[name], cpu["bare loop"])
        speed = _ratio(wall["transformers, 30 s"], wall[name])
        median_s = statistics.median(wall[name])
        yield f"| {name} | {audio_s / median_s:.1f} | {statistics.median(cpu[name]):.2f} | {cost:.3f} | {speed:.2f} |"
    if device.type == "cuda":
        yield _mfu(ours, statistics.median(wall["sotto's trainer"]), settings)


def _lengths(settings: TrainBench) -> list[float]:
    """Draw the lengths of all windows: exponential around the mean, as cut speech is, inside a window."""
    rng = np.random.default_rng(0)
    drawn = np.clip(rng.exponential(MEAN_S - LEAST_S, settings.rows * settings.num_batches) + LEAST_S, LEAST_S, MOST_S)
    return (np.round(drawn * MEAN_S / drawn.mean(), 1)).clip(LEAST_S, MOST_S).tolist()


def _dealt(lengths_s: Sequence[float], rows: int) -> list[list[float]]:
    """Deal windows alike in length into batches, which stand in a drawn order."""
    ordered = sorted(lengths_s)
    batches = [ordered[start : start + rows] for start in range(0, len(ordered), rows)]
    return [batches[place] for place in np.random.default_rng(1).permutation(len(batches))]


def _batch(lengths_s: Sequence[float], num_tokens: int) -> Batch:
    rows, generator = len(lengths_s), torch.Generator().manual_seed(len(lengths_s))
    num_samples_B = torch.tensor([int(length * SAMPLE_RATE) // HOP * HOP for length in lengths_s])
    tokens_BL = torch.randint(50_000, (rows, num_tokens + 1), generator=generator)
    return made_up(
        audio_BN=torch.randn(rows, int(num_samples_B.max()), generator=generator),
        num_samples_B=num_samples_B,
        tokens_BL=tokens_BL,
        flat_targets_BS=torch.full((rows, 1), IGNORED),
    )


def _module(num_steps: int) -> SottoModule:
    card = Card(dims=TINY, vocabulary=openai_vocabulary(99), shards_uri=None, shards_fingerprint=None, audio="speech")
    torch.manual_seed(0)
    return SottoModule(card, replace(PLAN, max_steps=num_steps), Logging(every=10))


class _Ready(Dataset[Batch]):
    """Batches that are there already; the run has no streams to count the epochs of."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Batch:
        return self._batches[index]

    def epochs(self, _index: int) -> dict[str, float]:
        return {}


class _Data(LightningDataModule):
    def __init__(self, batches: Sequence[Batch]) -> None:
        super().__init__()
        self._batches = _Ready(batches)

    def train_dataloader(self) -> BatchLoader:
        return BatchLoader(self._batches, range(len(self._batches)), 0)


def _trainer(batches: Sequence[Batch], device: torch.device) -> Callable[[], None]:
    """Train as jobs/train.py does, all its callbacks included; validation and saving are not part of a step."""
    config = TrainerConfig(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        num_nodes=1,
        strategy="auto",
        precision="bf16-mixed" if device.type == "cuda" else "32-true",
        accumulate=1,
        log_every=10,
        val_every=10**6,
        checkpoint_every=10**6,
    )

    module = _module(len(batches))

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            trainer = make_trainer(config, module.optimisation, folder, False)
            trainer.callbacks.pop()  # pyright: ignore[reportAttributeAccessIssue] # the last checkpoint
            trainer.fit(module, _Data(batches))

    return run


def _bare(batches: Sequence[Batch], device: torch.device) -> Callable[[], None]:
    """Run the same steps as a loop anybody would write."""

    module = _module(len(batches)).to(device).train()
    optimizer = module.optimisation.adamw(module.parameters())

    def run() -> None:
        for batch in batches:
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = module.training_loss(batch.to(device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), PLAN.clip_norm)
            optimizer.step()
            optimizer.zero_grad()

    return run


def _theirs(settings: TrainBench, num_windows: int, device: torch.device) -> Callable[[], None]:
    from transformers import WhisperForConditionalGeneration

    generator = torch.Generator().manual_seed(0)
    mel_BFT = torch.randn(settings.rows, TINY.n_mels, FULL_FRAMES, generator=generator).to(device)
    tokens_BL = torch.randint(50_000, (settings.rows, settings.num_tokens + 1), generator=generator).to(device)
    with tempfile.TemporaryDirectory() as folder:
        weights = {name: weight.detach().clone() for name, weight in _module(1).net.state_dict().items()}
        huggingface.write(Bundle(dims=TINY, weights=weights, vocabulary=openai_vocabulary(99)), Path(folder))
        net: Any = WhisperForConditionalGeneration.from_pretrained(folder)
    net = net.to(device).train()
    optimizer = PLAN.adamw(net.parameters())

    def run() -> None:
        for _ in range(num_windows // settings.rows):
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                logits = net(input_features=mel_BFT, decoder_input_ids=tokens_BL[:, :-1], use_cache=False).logits
            F.cross_entropy(logits.float().flatten(0, 1), tokens_BL[:, 1:].flatten()).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), PLAN.clip_norm)
            optimizer.step()
            optimizer.zero_grad()

    return run


def _take_turns(
    runs: dict[str, Callable[[], None]], rounds: int, device: torch.device
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return wall and CPU seconds of each in each round; the first round does not count."""
    wall, cpu = {name: list[float]() for name in runs}, {name: list[float]() for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            start_s, start_cpu_s = time.perf_counter(), time.process_time()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn:
                wall[name].append(time.perf_counter() - start_s)
                cpu[name].append(time.process_time() - start_cpu_s)
    return wall, cpu


def _ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(above, below, strict=True))


def _mfu(batches: Sequence[Batch], elapsed_s: float, settings: TrainBench) -> str:
    frames = [length // HOP for batch in batches for length in batch.num_samples_B.tolist()]
    rate = batch_flops(TINY, frames, [settings.num_tokens] * len(frames)) / elapsed_s / 1e12
    return f"MFU {rate / settings.peak_tflops:.1%} of {settings.peak_tflops:.0f} TFLOP/s"
