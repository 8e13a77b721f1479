"""Batches from a worker process to the trainer's, in memory that has no name.

PyTorch names each tensor's memory in /dev/shm for a moment, where a kill leaves it, and where containers have 64 MB.
A batch goes in one piece of anonymous memory (memfd_create), of which only the descriptor is sent.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from multiprocessing.reduction import DupFd
from typing import Any

import torch
from torch import Tensor

from model.data.batch import Batch

ALIGNMENT = 64
IS_AVAILABLE = hasattr(os, "memfd_create")  # Linux


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a tensor lies in the memory of its batch."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int


class Parcel:
    """A batch to be sent; whoever unpickles it gets the batch."""

    def __init__(self, batch: Batch) -> None:
        """Hold the batch."""
        self._batch = batch

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy the tensors into anonymous memory, and send its descriptor with all else."""
        tensors = {
            item.name: value.contiguous()
            for item in fields(self._batch)
            if isinstance(value := getattr(self._batch, item.name), Tensor)
        }
        places, num_bytes = list[Place](), 0
        for name, tensor in tensors.items():
            places.append(Place(name=name, dtype=tensor.dtype, shape=tuple(tensor.shape), start=num_bytes))
            num_bytes += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
        handle = os.memfd_create("sotto-batch")
        try:
            os.ftruncate(handle, num_bytes)
            memory = mmap.mmap(handle, num_bytes)
            for place in places:
                _view(memory, place).copy_(tensors[place.name])
            rest = replace(self._batch, **dict.fromkeys(tensors, None))
            return _unpack, (DupFd(handle), num_bytes, places, rest)
        finally:
            os.close(handle)


def _unpack(handle: Any, num_bytes: int, places: Sequence[Place], rest: Batch) -> Batch:
    """Return the batch, its tensors in the memory that was sent; it is freed with the last of them."""
    descriptor: int = handle.detach()
    try:
        memory = mmap.mmap(descriptor, num_bytes)
    finally:
        os.close(descriptor)
    return replace(rest, **{place.name: _view(memory, place) for place in places})


def _view(memory: mmap.mmap, place: Place) -> Tensor:
    count = torch.Size(place.shape).numel()
    if not count:
        return torch.empty(place.shape, dtype=place.dtype)
    return torch.frombuffer(memory, dtype=place.dtype, count=count, offset=place.start).view(place.shape)
