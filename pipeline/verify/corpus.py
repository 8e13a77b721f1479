"""A finished corpus as verification reads it: its artifacts by name, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import artifact, store
from pipeline.artifact import Artifact

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The artifacts of one ingest, and where its blobs lie."""

    data_root: str
    made: Mapping[str, Artifact]

    @property
    def blobs_uri(self) -> str:
        """Folder of the blobs."""
        return store.join(self.data_root, "blobs")

    def rows(self, name: str, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the rows of an artifact, in order."""
        for part in self.parts(name, columns):
            yield from part

    def parts(self, name: str, columns: Sequence[str]) -> Iterator[list[Row]]:
        """Yield the rows of each part of an artifact."""
        place = self.made[name]
        for number in range(artifact.num_parts(place)):
            yield artifact.read_part(place, number, columns).to_pylist()
