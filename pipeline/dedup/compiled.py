"""Compile functions of numbers and arrays to machine code at their first call, and keep it for the next process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with numba, without Python's objects and lock; the function reads like what it does in Python."""
    decorate: Any = numba.njit(cache=True, nogil=True)
    return cast(Callable[P, R], decorate(function))
