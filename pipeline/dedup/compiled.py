"""Compile functions of numbers and arrays to machine code at their first call, and keep it for the next process.

It is kept beside the source, else in the user's cache folder, else where NUMBA_CACHE_DIR says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec, TypeVar, cast

import numba

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with numba, without Python's objects and lock; the function reads like what it does in Python."""
    try:
        made: Any = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        _warn_once()
        made = numba.njit(nogil=True)(function)
    return cast(Callable[P, R], made)


@cache
def _warn_once() -> None:
    log.warning(
        "compiled code cannot be kept: neither its source's folder nor the user's cache can be written; "
        "every process compiles again, for some ten seconds; set NUMBA_CACHE_DIR to a folder that can"
    )
