"""List a source of stored files whole, as discovery does, where no web may be asked."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.page import Page, Read
from pipeline.sources.found import Found, Source


def no_web(url: str) -> Page:
    raise AssertionError(f"{url} was asked for")


def list_all(source: Source, read: Read = no_web) -> list[Found]:
    return [found for seed in source.seeds(read) for found in source.find(seed.url, read)]


def statuses(rows: Iterable[Found]) -> dict[str, int]:
    return dict(Counter(row.status for row in rows))


def write_lines(path: Path, rows: Iterable[Mapping[str, Any] | str]) -> Path:
    """Write JSON lines, gzipped where the name says so; a text is a line as it is."""
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def cues(found: Found) -> list[tuple[float, float, str]]:
    """Return the segments of a caption that stands in a manifest."""
    segments = json.loads(found.text_inline or b"{}")["segments"]
    return [(item["startTime"], item["endTime"], item["body"]) for item in segments]
