"""Measure every segment with every annotator: one output each, and one decode for all that need audio.

A recording that does not decode here (it did when it was fetched) gives null measurements, never fewer rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

import pyarrow as pa

from pipeline import store, tables
from pipeline.annotate.recordings import by_recording
from pipeline.annotate.spoken import Identified
from pipeline.audio import Decoded, DecodeError, Samples
from pipeline.decoder import decode
from pipeline.stage import Context, Output, Stage, Tables, same_segments, semantic_config

log = logging.getLogger(__name__)


class Annotator(Protocol):
    """What every annotator declares; it is a frozen dataclass whose fields are its parameters."""

    NAME: ClassVar[str]
    VERSION: ClassVar[int]
    SCHEMA: ClassVar[pa.Schema]
    NEEDS_AUDIO: ClassVar[bool]


class TextAnnotator(Annotator, Protocol):
    """An annotator that reads tables only; NEEDS_AUDIO is False."""

    def measure(self, segments: pa.Table, recordings: pa.Table) -> pa.Table:
        """Return one row of SCHEMA for each segment, in order."""
        ...


class AudioAnnotator(Annotator, Protocol):
    """An annotator that listens; NEEDS_AUDIO is True."""

    def measure(self, segments: pa.Table, samples: Samples) -> pa.Table:
        """Return one row of SCHEMA for each segment of the recording that `samples` (16 kHz mono) is."""
        ...


def annotate_stage(annotators: Mapping[str, Annotator]) -> Stage:
    """Build the stage; the annotators come under their names."""
    assert all(name == annotator.NAME for name, annotator in annotators.items()), "an annotator under another's name"
    outputs = tuple(
        Output(
            name=annotator.NAME,
            schema=annotator.SCHEMA,
            version=annotator.VERSION,
            config=_config(annotator),
        )
        for annotator in annotators.values()
    )
    return Stage(
        name="annotate",
        reads={"segment": None, "recording": None},
        outputs=outputs,
        run=Annotate(annotators=tuple(annotators.values())),
        conserve=same_segments,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotate:
    """The stage's work; `decode` turns audio bytes into samples or raises DecodeError."""

    annotators: tuple[Annotator, ...]
    decode: Callable[[bytes], Decoded] = decode

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Measure what is asked for in `output_uris`, and nothing else."""
        segments, recordings = inputs["segment"], inputs["recording"]
        wanted = [annotator for annotator in self.annotators if annotator.NAME in context.output_uris]
        readers = [cast(TextAnnotator, annotator) for annotator in wanted if not annotator.NEEDS_AUDIO]
        listeners = [cast(AudioAnnotator, annotator) for annotator in wanted if annotator.NEEDS_AUDIO]
        read = {annotator.NAME: [annotator.measure(segments, recordings)] for annotator in readers}
        return {**read, **self._listen(listeners, inputs, context.blobs_uri)}

    def _listen(self, listeners: Sequence[AudioAnnotator], inputs: Tables, blobs_uri: str) -> dict[str, list[pa.Table]]:
        measured = {annotator.NAME: [annotator.SCHEMA.empty_table()] for annotator in listeners}
        if not listeners:
            return measured
        recordings = inputs["recording"].select(["recording_id", "sha256"]).to_pylist()
        sha256 = {row["recording_id"]: row["sha256"] for row in recordings}
        for recording_id, segments in by_recording(inputs["segment"]):
            samples = self._samples(recording_id, store.blob_uri(blobs_uri, sha256[recording_id]))
            for annotator in listeners:
                is_heard = samples is not None
                table = annotator.measure(segments, samples) if is_heard else _nulls(annotator, segments)
                measured[annotator.NAME].append(table)
        return {name: [pa.concat_tables(parts)] for name, parts in measured.items()}

    def _samples(self, recording_id: str, uri: str) -> Samples | None:
        try:
            return self.decode(store.read_bytes(uri)).samples
        except DecodeError as error:
            log.warning("recording %s has null audio measurements: %s", recording_id, error)
            return None


def _config(annotator: Annotator) -> dict[str, Any]:
    """Return what an annotator's answers depend on; a model inside it says so of itself."""
    config = semantic_config(annotator)
    return {name: value.identity() if isinstance(value, Identified) else value for name, value in config.items()}


def _nulls(annotator: Annotator, segments: pa.Table) -> pa.Table:
    nothing: dict[str, Any] = dict.fromkeys(annotator.SCHEMA.names)
    rows = [{**nothing, "segment_id": segment_id} for segment_id in segments["segment_id"].to_pylist()]
    return tables.from_rows(rows, annotator.SCHEMA)
