"""Cut every decodable recording into windows of at most 30 s, with the repaired text of the cues in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from pipeline import schema, store, tables, text
from pipeline.segment import captions, windows
from pipeline.segment.captions import Caption, Cue
from pipeline.segment.windows import Window, WindowOptions
from pipeline.stage import Context, Output, Stage, Tables, semantic_config

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig:
    """What decides where windows lie."""

    window: WindowOptions = field(default_factory=WindowOptions)


def segment_stage(config: SegmentConfig) -> Stage:
    """Build the stage; every recording with status ok gives at least one segment, in order of time."""
    output = Output(
        name="segment",
        schema=schema.SEGMENT,
        version=VERSION,
        config={"window": semantic_config(config.window)},
        count_by=("caption_status",),
    )
    return Stage(
        name="segment",
        reads={"recording": None},
        outputs=(output,),
        run=_Segment(config=config),
        conserve=_every_recording_has_segments,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    config: SegmentConfig

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        recordings = inputs["recording"].to_pylist()
        rows = [
            row
            for recording in recordings
            if recording["status"] == "ok"
            for row in _rows(recording, _caption(recording, context.blobs_uri), self.config.window)
        ]
        return {"segment": [tables.from_rows(rows, schema.SEGMENT)]}


def _caption(recording: Mapping[str, Any], blobs_uri: str) -> Caption:
    if recording["text_status"] != "ok":
        return Caption(status=recording["text_status"])
    return captions.parse(store.read_bytes(store.blob_uri(blobs_uri, recording["text_sha256"])))


def _rows(recording: Mapping[str, Any], caption: Caption, options: WindowOptions) -> Iterator[dict[str, Any]]:
    duration_ms = recording["duration_ms"]
    shared = {
        "recording_id": recording["recording_id"],
        "source": recording["source"],
        "declared_lang": recording["declared_lang"],
        "caption_status": caption.status,
        "caption_format": caption.format,
        "caption_end_ms": max((cue.end_ms for cue in caption.cues), default=None),
        "num_lost_cues": caption.num_lost + windows.after_audio(caption.cues, duration_ms),
    }
    previous_id = None
    for window in windows.pack(caption.cues, duration_ms, options):
        segment_id = f"{recording['recording_id']}:{window.start_ms}"
        yield {**shared, "segment_id": segment_id, "prev_segment_id": previous_id, **_content(window)}
        previous_id = segment_id


def _content(window: Window) -> dict[str, Any]:
    repaired = [replace(cue, text=text.repair(cue.text)) for cue in window.cues]
    visible = [cue for cue in repaired if cue.text]
    return {
        "start_ms": window.start_ms,
        "end_ms": window.end_ms,
        "text": " ".join(cue.text for cue in visible) or None,
        "cues": [_relative(cue, window.start_ms) for cue in visible] or None,
        "cut_ms": window.cut_ms,
        "is_repaired": any(text.mend_encoding(cue.text) != cue.text for cue in window.cues) if visible else None,
    }


def _relative(cue: Cue, window_start_ms: int) -> dict[str, Any]:
    return {
        "start_ms": cue.start_ms - window_start_ms,
        "end_ms": cue.end_ms - window_start_ms,
        "text": cue.text,
    }


def _every_recording_has_segments(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    recordings = inputs["recording"]
    statuses, ids = recordings["status"].to_pylist(), recordings["recording_id"].to_pylist()
    expected = {recording_id for recording_id, status in zip(ids, statuses, strict=True) if status == "ok"}
    found = set(pa.concat_tables(outputs["segment"])["recording_id"].to_pylist())
    assert found == expected, f"segments lack recordings {expected - found} and have {found - expected} without audio"
