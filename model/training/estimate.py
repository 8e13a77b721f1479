"""What a run would need, from its real first step done with fake tensors: nothing is computed or allocated.

Floating-point operations and kept activations are counted while the step runs; hours are those operations at a
stated utilisation. Reading data and talking between GPUs are not part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from model.alignment import MS_PER_POSITION
from model.checkpoint import Card
from model.data.batch import Batch, made_up
from model.mel import SAMPLE_RATE, log_mel
from model.net import num_parameters
from model.training.module import Logging, SottoModule
from model.training.optimisation import Optimisation

GIB = 2**30
BYTES_FP32 = 4
ADAM_MOMENTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The hardware of an estimate: peak is dense bf16, `utilisation` the share of it that training reaches."""

    name: str
    num_gpus: int
    memory_gib: float
    peak_tflops: float
    utilisation: float
    text_tokens: int  # tokens of a window, for the estimate only


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step on one GPU with `rows` windows of full length."""

    rows: int
    parameters: int
    flops: float
    activation_bytes: int
    shapes: tuple[tuple[str, tuple[int, ...]], ...]


def trace_step(card: Card, optimisation: Optimisation, rows: int, text_tokens: int) -> Step:
    """Run forward and backward of one step on fake tensors in bf16 autocast, and count."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[StorageWeakRef(tensor.untyped_storage()).cdata] = tensor
        return tensor

    counter = FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION)
    log_mel(torch.zeros(1, SAMPLE_RATE), card.dims.n_mels)  # makes tables that are kept: they must not be fake
    with FakeTensorMode(allow_non_fake_inputs=True):
        module = SottoModule(card, optimisation, Logging(every=1))
        batch = _full_batch(card, rows, text_tokens)
        with counter, saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
            mel_BFT, _ = module.features(batch)
            module.training_loss(batch, torch.arange(rows * (text_tokens - 1))).backward()
    return Step(
        rows=rows,
        parameters=num_parameters(module),
        flops=float(counter.get_total_flops()),
        activation_bytes=sum(tensor.untyped_storage().nbytes() for tensor in kept.values()),
        shapes=(
            ("audio", tuple(batch.audio_BN.shape)),
            ("mel", tuple(mel_BFT.shape)),
            ("tokens", tuple(batch.tokens_BL.shape)),
            ("logits", (rows, text_tokens - 1, card.dims.n_vocab)),
        ),
    )


def describe(step: Step, optimisation: Optimisation, global_batch: int, machine: Machine) -> list[str]:
    """Return the estimate line by line: shapes, memory of one GPU, operations, hours."""
    weights_gib = step.parameters * BYTES_FP32 / GIB
    activations_gib = step.activation_bytes / GIB
    total_gib = weights_gib * (2 + ADAM_MOMENTS) + activations_gib
    tflops_step = step.flops / step.rows * global_batch / 1e12
    sustained_tflops = machine.peak_tflops * machine.utilisation
    gpu_hours = tflops_step * optimisation.max_steps / sustained_tflops / 3600
    verdict = "fits" if total_gib <= machine.memory_gib else "does not fit: take fewer windows a step (accumulate)"
    return [
        "first step's shapes    " + ", ".join(f"{name} {list(shape)}" for name, shape in step.shapes),
        f"parameters             {step.parameters:,}",
        f"memory of one GPU      weights {weights_gib:.1f} + gradients {weights_gib:.1f} + AdamW "
        f"{weights_gib * ADAM_MOMENTS:.1f} + activations {activations_gib:.1f} ({step.rows} windows) "
        f"= {total_gib:.1f} GiB of {machine.memory_gib:.0f} GiB ({machine.name}): {verdict}",
        f"operations of a step   {tflops_step:,.0f} TFLOP for a global batch of {global_batch} full windows",
        f"cost of the run        {optimisation.max_steps:,} steps = {gpu_hours:,.0f} GPU-hours at "
        f"{machine.utilisation:.0%} of {machine.peak_tflops:,.0f} TFLOP/s; "
        f"{gpu_hours / machine.num_gpus / 24:,.1f} days on {machine.num_gpus} GPUs",
    ]


def _full_batch(card: Card, rows: int, text_tokens: int) -> Batch:
    """Return a batch of windows as long as the model takes, without content."""
    num_samples = card.dims.n_audio_ctx * MS_PER_POSITION * SAMPLE_RATE // 1000
    return made_up(
        audio_BN=torch.zeros(rows, num_samples),
        num_samples_B=torch.full((rows,), num_samples),
        tokens_BL=torch.zeros(rows, text_tokens, dtype=torch.long),
        flat_targets_BS=torch.zeros(rows, card.dims.n_audio_ctx, dtype=torch.long),
    )


# PyTorch counts attention on CUDA only; a fake step runs as if on a CPU, whose kernel has the same arguments first.
def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward_flops(grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_backward_flop_count(grad, query, key, value)


_CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward_flops,
}
