"""How many processes share a model: not at all, each with a copy (DDP), or each with a shard (FSDP2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import torch
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

from model.net import Whisper
from pipeline.errors import unknown_name

Sharing = Literal["auto", "ddp", "fsdp"]
SHARINGS: tuple[Sharing, ...] = ("auto", "ddp", "fsdp")


def make_strategy(sharing: str, num_processes: int, timeout_s: float) -> Strategy | str:
    """Return Lightning's strategy; a collective that takes longer than `timeout_s` ends the run."""
    timeout = timedelta(seconds=timeout_s)
    if sharing == "fsdp":
        return ModelParallelStrategy(
            data_parallel_size=num_processes, tensor_parallel_size=1, save_distributed_checkpoint=False, timeout=timeout
        )
    if sharing not in SHARINGS:
        raise unknown_name("trainer.strategy", sharing, SHARINGS)
    if sharing == "auto" and num_processes == 1:
        return "auto"
    # Buffers are the encoder's sinusoids and what the guard has learnt: the same everywhere.
    return DDPStrategy(
        broadcast_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=False, timeout=timeout
    )


def shard(module: nn.Module, networks: list[Whisper], mesh: DeviceMesh, precision: torch.dtype | None) -> None:
    """Cut the parameters into one shard for each process, layer by layer; the rest of the module is one piece."""
    policy = MixedPrecisionPolicy(param_dtype=precision)
    for net in networks:
        for block in (*net.encoder.blocks, *net.decoder.blocks):
            fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(module, mesh=mesh, mp_policy=policy)
    for method in ("training_step", "validation_step"):
        register_fsdp_forward_method(module, method)
