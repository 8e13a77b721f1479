"""One output for each annotator, one decode for all of them, and null where there is nothing to hear."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from pipeline import schema, store, tables
from pipeline.annotate.speech import SpeechAnnotator
from pipeline.annotate.stage import Annotate, Annotator, annotate_stage
from pipeline.annotate.text_stats import TextStatsAnnotator
from pipeline.annotate.timing import TimingAnnotator
from pipeline.audio import Decoded, DecodeError, Samples, to_pcm16
from pipeline.stage import Context
from tests.pipeline.annotate.rows import cue, recording_table, segment, segment_table

LOUDNESS = schema.family("loudness", {"peak": (pa.float64(), "loudest sample")})
SEGMENTS = segment_table(
    segment("a", 0, 10, cue(0, 5)), segment("a", 10, 20), segment("b", 0, 10, cue(0, 5)), segment("c", 0, 10)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoudnessAnnotator:
    """A second annotator that listens."""

    gain: float = 1.0

    NAME: ClassVar[str] = "loudness"
    VERSION: ClassVar[int] = 3
    SCHEMA: ClassVar[pa.Schema] = LOUDNESS
    NEEDS_AUDIO: ClassVar[bool] = True

    def measure(self, segments: pa.Table, samples: Samples) -> pa.Table:
        peak = float(samples.max()) * self.gain
        rows = [{"segment_id": name, "peak": peak} for name in segments["segment_id"].to_pylist()]
        return tables.from_rows(rows, self.SCHEMA)


@dataclass
class CountingDecoder:
    """Answers with samples as loud as the first byte says, and refuses empty files."""

    seen: list[bytes] = field(default_factory=list[bytes])

    def __call__(self, data: bytes) -> Decoded:
        self.seen.append(data)
        if not data:
            raise DecodeError("nothing in it")
        samples = np.full(16_000, data[0] / 256, dtype=np.float32)
        return Decoded(pcm=to_pcm16(samples), container="wav", codec="pcm", sample_rate=16_000, channels=1)


ANNOTATORS: dict[str, Annotator] = {
    each.NAME: each for each in (SpeechAnnotator(), TextStatsAnnotator(), TimingAnnotator(), LoudnessAnnotator())
}


def inputs(blobs: Path) -> dict[str, pa.Table]:
    audio = {"a": b"\x40", "b": b"", "c": b"\x80"}
    rows = [
        {"recording_id": name, "sha256": store.put_blob(str(blobs), data), "duration_ms": 20}
        for name, data in audio.items()
    ]
    lost = {"recording_id": "x", "status": "http_404"}
    return {"segment": SEGMENTS, "recording": recording_table(rows[0], lost, *rows[1:])}


def run(blobs: Path, decoder: CountingDecoder, names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    stage = annotate_stage(ANNOTATORS)
    assert isinstance(stage.run, Annotate)
    context = Context(blobs_uri=str(blobs), output_uris=dict.fromkeys(names, ""), input_fingerprints={})
    given = inputs(blobs)
    outputs = replace(stage.run, decode=decoder)(given, context)
    stage.conserve(given, outputs)
    return {name: pa.concat_tables(parts).to_pylist() for name, parts in outputs.items()}


def test_annotators_that_listen_share_one_decode_of_each_recording(tmp_path: Path) -> None:
    decoder = CountingDecoder()
    outputs = run(tmp_path, decoder, ["speech", "loudness", "text_stats", "timing"])
    assert set(outputs) == {"speech", "loudness", "text_stats", "timing"}
    assert decoder.seen == [b"\x40", b"", b"\x80"]


def test_nothing_is_decoded_when_nobody_listens(tmp_path: Path) -> None:
    decoder = CountingDecoder()
    outputs = run(tmp_path, decoder, ["text_stats", "timing"])
    assert set(outputs) == {"text_stats", "timing"}
    assert decoder.seen == []


def test_only_what_is_asked_for_is_measured(tmp_path: Path) -> None:
    assert set(run(tmp_path, CountingDecoder(), ["loudness"])) == {"loudness"}


def test_a_recording_that_does_not_decode_has_null_measurements(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outputs = run(tmp_path, CountingDecoder(), ["loudness", "speech"])
    assert outputs["loudness"] == [
        {"segment_id": "a:0", "peak": 0.25},
        {"segment_id": "a:10", "peak": 0.25},
        {"segment_id": "b:0", "peak": None},
        {"segment_id": "c:0", "peak": 0.5},
    ]
    assert [row["level_dbfs"] is None for row in outputs["speech"]] == [False, False, True, False]
    assert "recording b has null audio measurements: nothing in it" in caplog.text


def test_a_part_without_segments_gives_empty_outputs(tmp_path: Path) -> None:
    empty = {**inputs(tmp_path), "segment": schema.SEGMENT.empty_table()}
    context = Context(blobs_uri=str(tmp_path), output_uris=dict.fromkeys(ANNOTATORS, ""), input_fingerprints={})
    stage = annotate_stage(ANNOTATORS)
    outputs = stage.run(empty, context)
    stage.conserve(empty, outputs)
    assert {name: parts[0].num_rows for name, parts in outputs.items()} == dict.fromkeys(ANNOTATORS, 0)


def test_each_annotator_is_an_output_with_its_own_version_and_parameters() -> None:
    stage = annotate_stage(ANNOTATORS)
    assert {output.name: (output.version, output.config) for output in stage.outputs} == {
        "speech": (3, {"threshold": 0.5}),
        "text_stats": (5, {"tokens": None}),
        "timing": (2, {}),
        "loudness": (3, {"gain": 1.0}),
    }
    assert next(iter(stage.reads)) == "segment", "the segments set the units"


def test_segments_of_a_recording_must_stand_together(tmp_path: Path) -> None:
    shuffled = {**inputs(tmp_path), "segment": SEGMENTS.take(pa.array([0, 2, 1, 3]))}
    context = Context(blobs_uri=str(tmp_path), output_uris={"text_stats": ""}, input_fingerprints={})
    with pytest.raises(AssertionError, match="segments of a do not stand together"):
        annotate_stage(ANNOTATORS).run(shuffled, context)


def test_an_annotator_comes_under_its_own_name() -> None:
    with pytest.raises(AssertionError, match="another's name"):
        annotate_stage({"pitch": SpeechAnnotator()})


def test_the_stage_can_be_sent_to_a_worker() -> None:
    stage = annotate_stage({name: ANNOTATORS[name] for name in ("speech", "text_stats", "timing")})
    assert pickle.loads(pickle.dumps(stage.run)) == stage.run
