"""Cut every decodable recording into windows of at most 30 s, with the repaired text of the cues in them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from pipeline import schema, store, tables, text
from pipeline.audio import Decoded, DecodeError
from pipeline.decoder import decode
from pipeline.segment import captions, windows
from pipeline.segment.cue import Caption, Cue, Origin
from pipeline.segment.heard import Sound
from pipeline.segment.retime import RetimeOptions, retime
from pipeline.segment.windows import Window, WindowOptions
from pipeline.segment.wording import WordingOptions, wording, written
from pipeline.stage import Context, Output, Stage, Tables, semantic_config
from pipeline.voice import find_speech

log = logging.getLogger(__name__)

VERSION = 3
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
    """What decides where windows lie and what their texts are."""

    window: WindowOptions = field(default_factory=WindowOptions)
    retime: RetimeOptions = field(default_factory=RetimeOptions)
    wording: WordingOptions = field(default_factory=WordingOptions)


def segment_stage(config: SegmentConfig) -> Stage:
    """Build the stage; every recording with status ok gives at least one segment, in order of time."""
    output = Output(
        name="segment",
        schema=schema.SEGMENT,
        version=VERSION,
        config=_described(config),
        count_by=("caption_status",),
    )
    return Stage(
        name="segment",
        reads={"recording": None},
        outputs=(output,),
        run=SegmentRecordings(config=config),
        conserve=_every_recording_has_segments,
    )


def _described(config: SegmentConfig) -> dict[str, Any]:
    """Return what the output depends on; a model says so of itself."""
    found = {name: semantic_config(getattr(config, name)) for name in ("window", "retime", "wording")}
    by_ear = found["retime"].pop("by_ear")
    return found | ({"by_ear": by_ear.identity()} if by_ear else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecordings:
    """The stage's work; `decode` turns audio bytes into samples or raises DecodeError."""

    config: SegmentConfig
    decode: Callable[[bytes], Decoded] = decode

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Cut a part of the recordings."""
        recordings = inputs["recording"].to_pylist()
        rows = [
            row
            for recording in recordings
            if recording["status"] == "ok"
            for row in self._rows(recording, context.blobs_uri)
        ]
        return {"segment": [tables.from_rows(rows, schema.SEGMENT)]}

    def _rows(self, recording: Mapping[str, Any], blobs_uri: str) -> Iterator[dict[str, Any]]:
        caption, duration_ms = _caption(recording, blobs_uri), recording["duration_ms"]
        options = self.config.window
        times = retime(
            caption, duration_ms, options.max_ms, lambda: self._sound(recording, blobs_uri), self.config.retime
        )
        caption = times.caption
        shared = {
            "recording_id": recording["recording_id"],
            "source": recording["source"],
            "declared_lang": recording["declared_lang"],
            "is_synthetic": recording["is_synthetic"],
            "caption_status": caption.status,
            "caption_format": caption.format,
            "caption_detail": caption.detail and text.repair(caption.detail),
            "alignment": times.alignment,
            "shift_ms": times.shift_ms,
            "declared_text_kind": recording["text_kind"],
            **_origin(caption.origin),
            "caption_end_ms": max((cue.end_ms for cue in caption.cues), default=None),
            "num_lost_cues": caption.num_lost + windows.after_audio(caption.cues, duration_ms),
        }
        previous_id, untimed = None, _repaired_lines(caption.text)
        for window in windows.pack(caption.cues, duration_ms, options):
            segment_id = f"{recording['recording_id']}:{window.start_ms}"
            links = {"segment_id": segment_id, "prev_segment_id": previous_id}
            yield {**shared, **links, **_content(window, self.config.wording), "untimed_text": untimed}
            previous_id, untimed = segment_id, None

    def _sound(self, recording: Mapping[str, Any], blobs_uri: str) -> Sound | None:
        data = store.read_bytes(store.blob_uri(blobs_uri, recording["sha256"]))
        try:
            samples = self.decode(data).samples
            return Sound(samples=samples, speech_ms=find_speech(samples), lang=recording["declared_lang"])
        except DecodeError as error:
            log.warning("recording %s gets no times from its sound: %s", recording["recording_id"], error)
            return None


def _caption(recording: Mapping[str, Any], blobs_uri: str) -> Caption:
    if recording["text_status"] != "ok":
        return Caption(status=recording["text_status"])
    data = store.read_bytes(store.blob_uri(blobs_uri, recording["text_sha256"]))
    return captions.take(data) if recording["text_format"] == STATED_WORDS else captions.parse(data)


def _repaired_lines(lines: str) -> str | None:
    return "\n".join(filter(None, map(text.repair, lines.split("\n")))) or None


def _origin(origin: Origin | None) -> dict[str, Any]:
    if origin is None:
        return dict.fromkeys(_ORIGIN)
    values = {column: getattr(origin, name) for column, name in _ORIGIN.items()}
    # Verbatim, but Arrow holds no lone surrogates.
    return {name: text.repair(value) or None if isinstance(value, str) else value for name, value in values.items()}


def _content(window: Window, options: WordingOptions) -> dict[str, Any]:
    worded = [replace(cue, text=wording(cue, options)) for cue in window.cues]
    visible = [cue for cue in worded if cue.text]
    words = " ".join(cue.text for cue in visible) or None
    raw = " ".join(filter(None, map(written, window.cues))) or None
    edges = [cue.confidence for cue in (*window.cues[:1], *window.cues[-1:]) if cue.confidence is not None]
    return {
        "start_ms": window.start_ms,
        "end_ms": window.end_ms,
        "text": words,
        "raw_text": raw if raw != words else None,
        "cues": [_relative(cue, window.start_ms) for cue in visible] or None,
        "cut_ms": window.cut_ms,
        "alignment_confidence": min(edges, default=None),
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
