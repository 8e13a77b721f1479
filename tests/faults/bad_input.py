"""A hostile or broken document, and what discovery must make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BadInput:
    """A document to serve: `rows` counts the rows it must give by status.

    `pairs` are the (audio, caption) addresses of the usable rows, relative to the document; a caption that stands in
    the document is None. None instead of pairs leaves them unchecked.
    """

    name: str
    content_type: str
    make: Callable[[], bytes]
    rows: Mapping[str, int]
    pairs: tuple[tuple[str, str | None], ...] | None = ()
    is_opted_out: bool = False
