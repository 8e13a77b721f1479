"""One training or evaluation example as it comes out of a shard, before any token exists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """A piece of text with its times in the segment; an `end_ms` beyond the segment was cut off by it."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A segment of at most 30 s with its text.

    `kind` is its stream's: transcribe, translate or no_speech. `lang` is spoken, by a machine where it
    `is_synthetic`, `text_lang` written.
    `audio` is float32 mono at 16 kHz, or None where only the text is needed.
    """

    segment_id: str
    recording_id: str
    source: str
    kind: str
    lang: str
    text: str
    text_lang: str | None
    cues: tuple[Cue, ...]
    prev_text: str | None
    duration_ms: int
    tasks: tuple[str, ...]
    is_synthetic: bool = False
    audio: NDArray[np.float32] | None = None
