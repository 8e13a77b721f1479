"""Cut every decodable recording into windows of at most 30 s, with the repaired text of the cues in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from pipeline import schema, store, tables, text
from pipeline.segment import captions, windows
from pipeline.segment.cue import Caption, Cue, Origin
from pipeline.segment.windows import Window, WindowOptions
from pipeline.stage import Context, Output, Stage, Tables, semantic_config

VERSION = 2
STATED_WORDS = "text"  # a dataset's own words of a recording, which need not look like a transcript
# Column of the segment table to field of a caption's origin.
_ORIGIN = {
    "caption_lang": "lang",
    "caption_auto_mark": "auto_mark",
    "caption_tool": "tool",
    **{name: name for name in ("has_inline_timing", "is_rolling", "num_speakers", "has_speaker_marks")},
}


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
    data = store.read_bytes(store.blob_uri(blobs_uri, recording["text_sha256"]))
    return captions.take(data) if recording["text_format"] == STATED_WORDS else captions.parse(data)


def _rows(recording: Mapping[str, Any], caption: Caption, options: WindowOptions) -> Iterator[dict[str, Any]]:
    duration_ms = recording["duration_ms"]
    caption, alignment = _placed(caption, duration_ms, options.max_ms)
    shared = {
        "recording_id": recording["recording_id"],
        "source": recording["source"],
        "declared_lang": recording["declared_lang"],
        "caption_status": caption.status,
        "caption_format": caption.format,
        "caption_detail": caption.detail and text.repair(caption.detail),
        "alignment": alignment,
        "declared_text_kind": recording["text_kind"],
        **_origin(caption.origin),
        "caption_end_ms": max((cue.end_ms for cue in caption.cues), default=None),
        "num_lost_cues": caption.num_lost + windows.after_audio(caption.cues, duration_ms),
    }
    previous_id, untimed = None, _repaired_lines(caption.text)
    for window in windows.pack(caption.cues, duration_ms, options):
        segment_id = f"{recording['recording_id']}:{window.start_ms}"
        links = {"segment_id": segment_id, "prev_segment_id": previous_id}
        yield {**shared, **links, **_content(window), "untimed_text": untimed}
        previous_id, untimed = segment_id, None


def _placed(caption: Caption, duration_ms: int, max_ms: int) -> tuple[Caption, str | None]:
    """Say how the text lies on the audio; one without times belongs to all of a recording that is one window."""
    if caption.status != "untimed":
        return caption, "cues" if caption.status == "ok" else None
    if duration_ms > max_ms:
        return caption, "none"
    whole = Cue(start_ms=0, end_ms=duration_ms, text=" ".join(caption.text.split()))
    return replace(caption, cues=(whole,), text=""), "whole"


def _repaired_lines(lines: str) -> str | None:
    return "\n".join(filter(None, map(text.repair, lines.split("\n")))) or None


def _origin(origin: Origin | None) -> dict[str, Any]:
    if origin is None:
        return dict.fromkeys(_ORIGIN)
    values = {column: getattr(origin, name) for column, name in _ORIGIN.items()}
    # Verbatim, but Arrow holds no lone surrogates.
    return {name: text.repair(value) or None if isinstance(value, str) else value for name, value in values.items()}


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
