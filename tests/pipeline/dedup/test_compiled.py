"""Compiled code is kept where it can be, and works where it cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numba
import pytest

from pipeline.dedup import compiled
from pipeline.dedup.kernels import mix


def test_compiled_code_is_kept() -> None:
    kernel: Any = mix
    assert kernel._cache.cache_path


def test_where_nothing_can_be_written_functions_are_compiled_all_the_same_and_that_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    compiled._warn_once.cache_clear()
    names: dict[str, Callable[[int], int]] = {}
    exec(compile("def double(number):\n    return 2 * number", "/no/such/folder/double.py", "exec"), names)  # noqa: S102
    with caplog.at_level(logging.WARNING):
        assert [compiled.compiled(names["double"])(4) for _ in range(2)] == [8, 8]
    [record] = caplog.records
    assert "compiled code cannot be kept" in record.message and "set NUMBA_CACHE_DIR" in record.message


def test_another_error_of_the_compiler_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(**_: Any) -> Callable[..., Any]:
        raise RuntimeError("another one")

    monkeypatch.setattr(numba, "njit", failing)
    with pytest.raises(RuntimeError, match="another one"):
        compiled.compiled(abs)
