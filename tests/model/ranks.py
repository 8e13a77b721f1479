"""Processes that train together, as torchrun starts them, but forked from a server that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.model.tiny_training"])


def start(function: Callable[..., None], world: int, *arguments: Any) -> list[BaseProcess]:
    """Start `function(*arguments)` on each of `world` ranks."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    processes = [
        CONTEXT.Process(target=_as_rank, args=(rank, world, port, function, arguments)) for rank in range(world)
    ]
    for process in processes:
        process.start()
    return processes


def join(processes: list[BaseProcess], timeout_s: float = 120.0) -> list[int | None]:
    """Wait for all of them; return their exit codes."""
    for process in processes:
        process.join(timeout_s)
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode for process in processes]


def _as_rank(rank: int, world: int, port: int, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    import torch

    torch.set_num_threads(1)
    if world > 1:
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world),
            "LOCAL_WORLD_SIZE": str(world),
            "GROUP_RANK": "0",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "TORCHELASTIC_RUN_ID": "test",
        }
    function(*arguments)
