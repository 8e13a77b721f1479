"""What a run measures beside its loss: speed, waiting, padding, the mix that came out. Counted on the host, per rank.

Nothing here touches the device: sizes are read from a batch before it goes there. Losses stay on the device as they
are, and come to the host together when somebody asks.
"""

from __future__ import annotations

import time
from collections import Counter

import torch
from torch import Tensor

from model.data.batch import Batch
from model.data.mixture import SYNTHETIC
from model.evaluation.metrics import LossTable
from model.flops import batch_flops
from model.mel import SAMPLE_RATE, frames
from model.net import ModelDimensions

HOUR_S = 3600.0


class Meter:
    """The sums since the last look at them."""

    def __init__(self, dims: ModelDimensions, peak_tflops: float | None) -> None:
        """Start at zero; without a peak there is no MFU."""
        self._dims, self._peak = dims, peak_tflops
        self._rows = Rows()
        self._waited_from_s: float | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the sums and start the clock."""
        self._audio_s = self._padded_s = self._waited_s = self._flops = 0.0
        self._since_s = time.monotonic()

    def pause(self) -> None:
        """Stop counting time: validation or saving begins. What was counted stays."""
        self._paused_s = time.monotonic()
        self._waited_from_s = None

    def go_on(self) -> None:
        """Count time again."""
        self._since_s += time.monotonic() - self._paused_s

    def step_done(self) -> None:
        """Begin to wait for the next batch."""
        self._waited_from_s = time.monotonic()

    def batch_came(self, batch: Batch) -> None:
        """Count a batch that is still on the host."""
        if self._waited_from_s is not None:
            self._waited_s += time.monotonic() - self._waited_from_s
            self._waited_from_s = None
        num_frames = frames(batch.num_samples_B).tolist()
        places_L = torch.arange(batch.loss_mask_BL.shape[1])
        num_tokens = (batch.loss_mask_BL * places_L).amax(dim=1).tolist()
        self._audio_s += float(batch.num_samples_B.sum()) / SAMPLE_RATE
        self._padded_s += batch.audio_BN.numel() / SAMPLE_RATE
        self._flops += batch_flops(self._dims, num_frames, num_tokens)

    def losses_came(self, batch: Batch, nll_B: Tensor, tokens_B: Tensor) -> None:
        """Keep a batch's losses, wherever they are."""
        self._rows.add(batch, nll_B, tokens_B)

    def take_rows(self) -> tuple[LossTable, Counter[str]]:
        """Return the losses by task and language, and how many windows of each stream came; forget both."""
        rows, self._rows = self._rows, Rows()
        return rows.table(), rows.streams

    def take_speed(self) -> dict[str, float]:
        """Return what was measured of this rank since the last time, and start again."""
        elapsed_s = max(time.monotonic() - self._since_s, 1e-9)
        found = {
            "speed/audio_hours_per_device_hour": self._audio_s / elapsed_s,
            "speed/data_wait": self._waited_s / elapsed_s,
            "speed/padding": 1.0 - self._audio_s / max(self._padded_s, 1e-9),
            "speed/tflops_per_device": self._flops / elapsed_s / 1e12,
        }
        if self._peak:
            found["speed/mfu"] = found["speed/tflops_per_device"] / self._peak
        self.reset()
        return found


class Rows:
    """Losses of rows, kept on the device, with their tasks and languages beside them on the host."""

    def __init__(self) -> None:
        """Start empty."""
        self._tasks: list[str] = []
        self._langs: list[str] = []
        self._losses: list[Tensor] = []
        self.streams: Counter[str] = Counter()

    def add(self, batch: Batch, nll_B: Tensor, tokens_B: Tensor) -> None:
        """Keep a batch."""
        self._tasks += batch.tasks
        self._langs += batch.langs
        self.streams.update(stream_names(batch))
        self._losses.append(torch.stack([nll_B.detach().float(), tokens_B.float()]))

    def table(self) -> LossTable:
        """Bring everything to the host and sum it there."""
        table = LossTable(torch.device("cpu"))
        if self._losses:
            nll_B, tokens_B = torch.cat(self._losses, dim=1).cpu()
            table.add(self._tasks, self._langs, nll_B, tokens_B)
        return table


def stream_names(batch: Batch) -> list[str]:
    """Return "task-lang" of each row, of pooled tasks too, and "task-lang-synthetic" where a machine spoke."""
    rows = zip(batch.tasks, batch.langs, batch.are_synthetic, strict=True)
    return [f"{task}-{lang}{SYNTHETIC if is_synthetic else ''}" for task, lang, is_synthetic in rows]
