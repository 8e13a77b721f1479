"""What captions hold and nobody says: credits, thanks for watching, calls to subscribe, station marks, sound tags.

Lines are matched whole, so that a sentence about subtitles is not taken for a credit.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, ClassVar

import pyarrow as pa
import yaml

from pipeline import schema, tables, text

_LINE_EDGES = re.compile(r"^[\s\-–—♪♫*#>¡\"'«“.]+|[\s\-–—♪♫*#<\"'»”.!]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoilerplateAnnotator:
    """Weigh the boilerplate and the sound tags of each window."""

    NAME: ClassVar[str] = "boilerplate"
    VERSION: ClassVar[int] = 2
    SCHEMA: ClassVar[pa.Schema] = schema.BOILERPLATE
    NEEDS_AUDIO: ClassVar[bool] = False

    def measure(self, segments: pa.Table, recordings: pa.Table) -> pa.Table:
        """Measure every segment."""
        rows = [_row(row) for row in segments.select(["segment_id", "cues"]).to_pylist()]
        return tables.from_rows(rows, self.SCHEMA)


def kind_of(line: str) -> str | None:
    """Name the kind of boilerplate a line is; None for what may well be said."""
    bare = _LINE_EDGES.sub("", line)
    return next((kind for kind, pattern in _patterns().items() if pattern.fullmatch(bare)), None)


def _row(segment: Mapping[str, Any]) -> dict[str, Any]:
    lines = [cue["text"] for cue in segment["cues"] or ()]
    if not lines:
        return {**dict.fromkeys(schema.BOILERPLATE.names), "segment_id": segment["segment_id"]}
    untagged = [text.without_sound_tags(line) for line in lines]
    kinds = [kind_of(line) for line in untagged]
    sizes = Counter[str]()
    for kind, line in zip(kinds, untagged, strict=True):
        sizes.update({kind: len(line)} if kind else {})
    num_chars = sum(map(len, lines))
    said = "".join(line for kind, line in zip(kinds, untagged, strict=True) if kind is None)
    return {
        "segment_id": segment["segment_id"],
        "kind": max(sizes, key=lambda kind: (sizes[kind], kind)) if sizes else None,
        "boilerplate_ratio": sizes.total() / num_chars,
        "sound_tag_ratio": (num_chars - sum(map(len, untagged))) / num_chars,
        "is_spoken": any(map(str.isalnum, said)),
    }


@functools.cache
def _patterns() -> dict[str, re.Pattern[str]]:
    raw = yaml.safe_load((files("pipeline.annotate") / "assets" / "boilerplate.yaml").read_text("utf-8"))
    return {kind: re.compile("|".join(f"(?:{line})" for line in rows), re.IGNORECASE) for kind, rows in raw.items()}
