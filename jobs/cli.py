"""What every command shares: clean errors with exit codes, and progress a person can read."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from pipeline.errors import DataError, UserError

EXIT_DATA, EXIT_USER = 1, 2


def clean_errors(main: Callable[..., None]) -> Callable[..., None]:
    """Turn errors made for people into one line and an exit code: 1 for data, 2 for the user's mistake."""

    @functools.wraps(main)
    def run(*arguments: Any) -> None:
        try:
            main(*arguments)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(EXIT_USER)
        except DataError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(EXIT_DATA)

    return run


def spell(time_s: float) -> str:
    """Write a time with its two largest units."""
    minutes, seconds = divmod(round(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


class Bars:
    """One progress bar a stage on a terminal, one line a stage elsewhere."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._bar: tqdm[Any] | None = None

    def __call__(self, stage: str, num_done: int, num_units: int) -> None:
        """Show that a stage has done so many of its units."""
        if self._bar is None or self._bar.desc != stage:
            self.close()
            self._bar = tqdm(total=num_units, desc=stage, unit="unit", disable=not sys.stderr.isatty())
            if self._bar.disable:
                print(f"{stage}: {num_units - num_done} of {num_units} units to do", file=sys.stderr, flush=True)
                self._bar.desc = stage
        self._bar.n = num_done
        self._bar.refresh()

    def close(self) -> None:
        """End the last bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
