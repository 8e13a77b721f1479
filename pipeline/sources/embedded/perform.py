"""Perform a recording plan: speak it, place it, caption it, spoil it."""

from __future__ import annotations

import numpy as np

from pipeline.audio import SAMPLES_PER_MS, Samples
from pipeline.sources.embedded.captions import Cue
from pipeline.sources.embedded.labels import Spoken
from pipeline.sources.embedded.plan import RecordingPlan
from pipeline.sources.embedded.room import place
from pipeline.sources.embedded.sentences import Sentence
from pipeline.sources.embedded.take import Take
from pipeline.sources.embedded.voice import speak

EDGE_MS = (250, 450)  # before the first word and after the last
BREATH_MS = (250, 400)  # between the sentences of an item
PAUSE_MS = (1300, 1800)  # between items: long enough for a segmenter to end a window there


def perform(plan: RecordingPlan) -> Take:
    """Make the take a plan describes; the same plan gives the same samples and cues."""
    rng = np.random.default_rng(plan.seed)
    samples, spoken = _read_aloud(plan, rng)
    cues = (Cue(start_ms=s.start_ms, end_ms=s.end_ms, text=line) for s, line in zip(spoken, plan.lines, strict=True))
    take = Take(
        samples=place(samples, plan.condition, rng),
        spoken=spoken,
        cues=tuple(cues),
        audio_format=plan.audio_format,
        text_format=plan.text_format,
    )
    return plan.kind.edit(take, rng)


def _read_aloud(plan: RecordingPlan, rng: np.random.Generator) -> tuple[Samples, tuple[Spoken, ...]]:
    """Speak the items with pauses of digital silence; times are exact, to the millisecond."""
    parts = [_pause(EDGE_MS, rng)]
    spoken: list[Spoken] = []
    for gap, sentence in _with_gaps(plan.items):
        if spoken:
            parts.append(_pause(gap, rng))
        voiced = speak(sentence.text, voice=plan.voice, rate_wpm=plan.rate_wpm, pitch=plan.pitch)
        start_ms = sum(map(len, parts)) // SAMPLES_PER_MS
        parts.append(voiced)
        end_ms = start_ms + len(voiced) // SAMPLES_PER_MS
        spoken.append(Spoken(start_ms=start_ms, end_ms=end_ms, text=sentence.text, english=sentence.english))
    return np.concatenate([*parts, _pause(EDGE_MS, rng)]), tuple(spoken)


def _with_gaps(items: tuple[tuple[Sentence, ...], ...]) -> list[tuple[tuple[int, int], Sentence]]:
    return [(BREATH_MS if at else PAUSE_MS, sentence) for item in items for at, sentence in enumerate(item)]


def _pause(range_ms: tuple[int, int], rng: np.random.Generator) -> Samples:
    return np.zeros(int(rng.integers(*range_ms)) * SAMPLES_PER_MS, dtype=np.float32)
