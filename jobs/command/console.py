"""What a long job says while it works: bars on a terminal, plain lines elsewhere, JSON lines, or nothing but errors.

Progress and log go to stderr, results to stdout. Log lines carry no credentials and nothing that steers a terminal.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO

from tqdm import tqdm

from jobs.command.progress import Step, describe, printable
from pipeline.errors import unknown_name
from pipeline.redact import ADDRESS, public_url

LINE_EVERY_S = 30.0  # plain lines in the middle of a stage
MODES = ("auto", "plain", "quiet", "json")


class Console(Protocol):
    """Something that shows progress, results and log lines."""

    def progress(self, step: Step) -> None:
        """Show how far a stage is."""
        ...

    def say(self, text: str) -> None:
        """Show a result."""
        ...

    def note(self, level: str, text: str) -> None:
        """Show a line of the log."""
        ...


class Lines:
    """A line at the beginning and the end of each stage, and now and then between them."""

    def __init__(self, stream: TextIO) -> None:
        """Write progress there."""
        self._stream = stream
        self._said_s = 0.0

    def progress(self, step: Step) -> None:
        """Write a line when there is something to tell."""
        if step.num_done == 0:
            self._said_s = 0.0
            self._write(f"{step.stage}: {step.num_left:,} of {step.num_units:,} units to do")
        elif step.num_left == 0:
            self._write(f"{step.stage}: {step.num_done:,} units done, {describe(step)}")
        elif step.wall_s - self._said_s >= LINE_EVERY_S:
            self._said_s = step.wall_s
            self._write(
                f"{step.stage}: {step.num_before + step.num_done:,} of {step.num_units:,} units, {describe(step)}"
            )

    def say(self, text: str) -> None:
        """Print it."""
        print(text, flush=True)

    def note(self, level: str, text: str) -> None:
        """Write it."""
        self._write(f"{level}: {text}")

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class Bars:
    """One progress bar a stage; log lines go above it."""

    def __init__(self, stream: TextIO) -> None:
        """Show nothing yet."""
        self._stream = stream
        self._bar: tqdm[Any] | None = None

    def progress(self, step: Step) -> None:
        """Move the bar; the last unit leaves it standing."""
        if self._bar is None or self._bar.desc != step.stage:
            self._close()
            self._bar = tqdm(
                total=step.num_units,
                initial=step.num_before,
                desc=step.stage,
                file=self._stream,
                dynamic_ncols=True,
                bar_format="{desc:<15}{percentage:3.0f}% {bar:20} {n_fmt}/{total_fmt} units{postfix}",
            )
        self._bar.set_postfix_str(describe(step), refresh=False)
        self._bar.n = step.num_before + step.num_done
        self._bar.refresh()
        if step.num_left == 0:
            self._close()

    def say(self, text: str) -> None:
        """Print it below the bars."""
        self._close()
        print(text, flush=True)

    def note(self, level: str, text: str) -> None:
        """Write it above the bar."""
        tqdm.write(f"{level}: {text}", file=self._stream)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class JsonLines:
    """One JSON object a line, for programs: progress, log and results, with the time of each."""

    def __init__(self, stream: TextIO) -> None:
        """Write progress and log there."""
        self._stream = stream

    def progress(self, step: Step) -> None:
        """Write the numbers of a stage."""
        numbers = {
            "units": step.num_units,
            "units_done": step.num_before + step.num_done,
            "units_failed": step.num_failed,
            "audio_h": round(step.hours, 4),
            "h_per_core_h": _rounded(step.rate),
            "wall_s": _rounded(step.wall_s),
            "left_s": _rounded(step.left_s),
        }
        self._write({"event": "progress", "stage": step.stage, **numbers}, self._stream)

    def say(self, text: str) -> None:
        """Write a result to stdout."""
        self._write({"event": "result", "text": text}, sys.stdout)

    def note(self, level: str, text: str) -> None:
        """Write a line of the log."""
        self._write({"event": "log", "level": level, "text": text}, self._stream)

    def _write(self, event: Mapping[str, Any], stream: TextIO) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **event}
        print(json.dumps(line, ensure_ascii=False), file=stream, flush=True)


class Quiet:
    """Nothing but errors: the exit code tells the rest."""

    def __init__(self, stream: TextIO) -> None:
        """Write errors there."""
        self._stream = stream

    def progress(self, step: Step) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def note(self, level: str, text: str) -> None:
        """Write what is an error."""
        if level == "error":
            print(f"{level}: {text}", file=self._stream, flush=True)


@contextmanager
def console(mode: str) -> Generator[Console]:
    """Open the console a setting names, and send Python's log to it; UserError for an unknown one."""
    if mode not in MODES:
        raise unknown_name("log", mode, MODES)
    kinds = {"plain": Lines, "quiet": Quiet, "json": JsonLines, "auto": Bars if sys.stderr.isatty() else Lines}
    shown: Console = kinds[mode](sys.stderr)
    root, handler = logging.getLogger(), _Handler(shown)
    before = root.handlers
    root.handlers = [handler]
    try:
        yield shown
    finally:
        root.handlers = before


class _Handler(logging.Handler):
    def __init__(self, shown: Console) -> None:
        super().__init__()
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        text = ADDRESS.sub(lambda found: public_url(found.group()), record.getMessage())
        self._shown.note(record.levelname.lower(), printable(text).replace("\n", " "))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
