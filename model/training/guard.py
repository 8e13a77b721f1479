"""Steps that would do harm are skipped: a gradient that is no number, or one far above what the run has seen.

Nothing waits for the device. The verdict stays there and reaches AdamW as `found_inf`, which makes its fused kernel
leave weights, moments and step counts as they are; the host learns of it some steps later. All ranks judge the same
reduced gradient and agree on the worst verdict, and in the same message on whether anybody was asked to stop.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.errors import DataError, UserError

MEMORY = 100  # steps over which the usual gradient is averaged


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardOptions:
    """When a step is skipped, and how many are too many.

    A spike is a gradient `spike_factor` times the usual one (geometric mean; 0: never), from the time when
    `spike_after` steps were taken. `max_skipped` steps among the last `window` stop the run.
    """

    spike_factor: float = 10.0
    spike_after: int = 100
    max_skipped: int = 20
    window: int = 1000

    def __post_init__(self) -> None:
        """Refuse a factor that would skip the usual."""
        if self.spike_factor and self.spike_factor <= 1.0:
            raise UserError(
                f"guard.spike_factor {self.spike_factor} would skip usual steps; expected above 1, or 0 for none; "
                "10 is a good first choice"
            )


class Guard(nn.Module):
    """Judge each step's gradient; what is usual is part of the checkpoint."""

    usual: Tensor
    num_taken: Tensor
    num_skipped: Tensor

    def __init__(self, options: GuardOptions) -> None:
        """Start without knowing what is usual."""
        super().__init__()
        self._options = options
        self.register_buffer("usual", torch.zeros(()))  # the mean of the gradient norms' logarithms
        self.register_buffer("num_taken", torch.zeros(()))
        self.register_buffer("num_skipped", torch.zeros(()))

    @torch.no_grad()
    def judge(self, norm: Tensor) -> Tensor:
        """Return 1.0 for a step to be skipped, else 0.0; `norm` is a number on the device."""
        size = norm.float().clamp(min=1e-12).log()
        is_bad = ~torch.isfinite(norm)
        if self._options.spike_factor:
            is_known = self.num_taken >= self._options.spike_after
            is_bad = is_bad | (is_known & (size > self.usual + math.log(self._options.spike_factor)))
        return is_bad.float()

    @torch.no_grad()
    def learn(self, norm: Tensor, skipped: Tensor) -> None:
        """Take a step that all ranks agreed on into the average."""
        size = norm.float().clamp(min=1e-12).log()
        rate = 1.0 / (self.num_taken + 1.0).clamp(max=float(MEMORY))
        moved = self.usual + rate * (size - self.usual)
        self.usual.copy_(torch.where(skipped > 0, self.usual, moved))
        self.num_taken.add_(1.0 - skipped)
        self.num_skipped.add_(skipped)


class Record:
    """The latest skipped steps, as the host knows them."""

    def __init__(self, options: GuardOptions) -> None:
        """Start with none."""
        self._options = options
        self._recent: deque[int] = deque()

    def add(self, step: int) -> None:
        """Count a skipped step; DataError, on every rank alike, when there are too many."""
        self._recent.append(step)
        while self._recent[0] <= step - self._options.window:
            self._recent.popleft()
        if len(self._recent) > self._options.max_skipped:
            raise DataError(
                f"{len(self._recent)} of the last {self._options.window} steps were skipped, the last one {step}; "
                f"expected at most {self._options.max_skipped}; look at the windows in skipped.jsonl, "
                "or go on with a lower learning rate"
            )


class Delayed:
    """Small tensors on their way to the host: reading one waits for a step long past, never for the newest."""

    def __init__(self, lag: int) -> None:
        """Give each tensor `lag` steps of time."""
        self._lag = lag
        self._sent: deque[tuple[int, Tensor, torch.cuda.Event | None]] = deque()

    def send(self, step: int, values: Tensor) -> None:
        """Begin to copy the values of a step."""
        if not values.is_cuda:
            self._sent.append((step, values.clone(), None))
            return
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        host.copy_(values, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._sent.append((step, host, event))

    def receive(self, all_of_them: bool = False) -> list[tuple[int, list[float]]]:
        """Return the steps whose time is up, with their values."""
        found: list[tuple[int, list[float]]] = []
        while self._sent and (all_of_them or len(self._sent) > self._lag):
            step, values, event = self._sent.popleft()
            if event is not None:
                event.synchronize()
            found.append((step, values.tolist()))
        return found
