"""Processes of a study: run one to its end, and let who stops the study stop it too."""

from __future__ import annotations

import shlex
import signal
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import FrameType

from jobs.command.cli import EXIT_STOPPED
from pipeline.errors import DataError


def run_command(command: Sequence[str]) -> None:
    """Run a command to its end; DataError when it fails, after what it had to say. Who stops us stops it too."""
    with subprocess.Popen(command) as process:
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code:
        raise DataError(
            f"command ended with {code}: {shlex.join(command)}; expected 0; mend it and run the study again"
        )


@contextmanager
def stopping() -> Generator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that the command in the middle can save and no orphan stays."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(EXIT_STOPPED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
