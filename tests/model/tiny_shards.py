"""Shards of a few tones with texts, for tests of what reads them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from pipeline import artifact, store, tables
from pipeline.artifact import Artifact
from pipeline.schema import SCHEMA_VERSION, SHARD_INDEX
from pipeline.tar import TarBuilder

RATE = 16_000
PAIRS = (("transcribe", "en"), ("transcribe", "sw"), ("translate", "sw"), ("no_speech", "und"))
WORDS = {"en": "one two three four five", "sw": "moja mbili tatu nne tano"}
TASKS = {
    "transcribe": ["transcribe", "detect_language"],
    "translate": ["translate"],
    "no_speech": ["no_speech"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One sample to be written."""

    kind: str
    lang: str
    number: int
    duration_ms: int = 400
    text: str | None = None
    tasks: Sequence[str] | None = None
    recording: str | None = None
    prev: str | None = None
    is_synthetic: bool = False

    @property
    def recording_id(self) -> str:
        return self.recording or self.segment_id

    @property
    def segment_id(self) -> str:
        if self.recording:
            return f"{self.recording}:{self.number}"
        return f"{self.stream}-{self.number}".replace("_", "-")

    @property
    def stream(self) -> str:
        return f"{self.kind}-{self.lang}{'-synthetic' if self.is_synthetic else ''}"

    def described(self) -> dict[str, Any]:
        words = WORDS["en" if self.kind == "translate" else self.lang if self.lang in WORDS else "en"].split()
        text = "" if self.kind == "no_speech" else self.text or words[self.number % len(words)]
        return {
            "schema_version": SCHEMA_VERSION,
            "segment_id": self.segment_id,
            "recording_id": self.recording_id,
            "source": "tones",
            "kind": self.kind,
            "lang": self.lang,
            "is_synthetic": self.is_synthetic,
            "text": text,
            "text_lang": None if not text else "en" if self.kind == "translate" else self.lang,
            "cues": [[0, self.duration_ms, text]] if text else [],
            "prev_text": self.prev,
            "duration_ms": self.duration_ms,
            "tasks": list(TASKS[self.kind] if self.tasks is None else self.tasks),
            "license": "CC0-1.0",
            "audio_url": self.origin()["urls"][0],
            "sha256": self.origin()["sha256"],
        }

    def origin(self) -> dict[str, Any]:
        return {
            "recording_id": self.recording_id,
            "candidate_id": f"of-{self.segment_id}",
            "sha256": hashlib.sha256(self.segment_id.encode()).hexdigest(),
            "urls": [f"http://tones.test/{self.kind}/{self.lang}/{self.number}.flac"],
        }

    def flac(self) -> bytes:
        time_s = np.arange(self.duration_ms * RATE // 1000) / RATE
        tone = 0.3 * np.sin(2 * np.pi * (200 + 100 * self.number) * time_s)
        buffer = io.BytesIO()
        soundfile.write(buffer, tone.astype(np.float32), RATE, format="FLAC", subtype="PCM_16")
        return buffer.getvalue()


def windows(pairs: Sequence[tuple[str, str]] = PAIRS, each: int = 5) -> list[Window]:
    """Make some windows of each kind and language, of different lengths."""
    return [
        Window(kind=kind, lang=lang, number=number, duration_ms=300 + 100 * number)
        for kind, lang in pairs
        for number in range(each)
    ]


def write_shards(
    root: Path | str, samples: Sequence[Window], splits: Sequence[str] = ("train", "validation"), per_shard: int = 3
) -> str:
    """Write the samples to shards of every split as ingest would; returns the artifact's folder."""
    made = Artifact(root_uri=str(root), name="shard_index", fingerprint="0123456789abcdef")
    rows = []
    for split in splits:
        for name in sorted({sample.stream for sample in samples}):
            stream = [sample for sample in samples if sample.stream == name]
            for number, start in enumerate(range(0, len(stream), per_shard)):
                rows.append(_write(made, f"{split}/{name}/{number:06d}.tar", stream[start : start + per_shard]))
    for unit, row in enumerate(rows):
        artifact.publish_unit(made, unit, {unit: tables.from_rows([row], SHARD_INDEX)}, ())
    artifact.publish_manifest(made, {}, len(rows))
    return made.uri


def _write(made: Artifact, uri: str, samples: Sequence[Window]) -> dict[str, Any]:
    builder = TarBuilder()
    for sample in samples:
        content = json.dumps(sample.described(), sort_keys=True).encode()
        builder.add(sample.segment_id.replace(":", "_"), {"flac": sample.flac(), "json": content})
    data = builder.finish()
    store.publish(store.join(made.uri, uri), data)
    split, stream, number = uri.removesuffix(".tar").split("/")
    return {
        "shard_id": f"{split}-{stream}-{number}",
        "uri": uri,
        "split": split,
        "kind": samples[0].kind,
        "lang": samples[0].lang,
        "is_synthetic": samples[0].is_synthetic,
        "num_samples": len(samples),
        "bytes": len(data),
        "duration_ms": sum(sample.duration_ms for sample in samples),
        "sha256": hashlib.sha256(data).hexdigest(),
        "decision_fingerprint": "none",
        "segment_ids": [sample.segment_id for sample in samples],
        "origins": [sample.origin() for sample in samples],
        "sample_offsets": builder.offsets,
        "sample_ms": [sample.duration_ms for sample in samples],
    }
