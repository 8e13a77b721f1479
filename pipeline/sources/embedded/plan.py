"""Plan the embedded web from a seed: what every recording says, in which voice and place, spoilt how."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.sources.embedded import captions, encoding
from pipeline.sources.embedded.kinds import GOOD, PLANTED, Kind
from pipeline.sources.embedded.room import CONDITIONS
from pipeline.sources.embedded.sentences import LANGUAGES, Sentence, draw_sentences

VOICES = {"en": "en-us", "es": "es", "sw": "sw", "am": "am"}
VARIANTS = ("", "+m3", "+m7", "+f2", "+f4")
RATES_WPM = (140, 185)
PITCHES = (42, 58)

ITEMS_GOOD = 3
ITEMS_PLANTED = 2
SENTENCES_PER_ITEM = (1, 2, 2)

Streams = dict[str, Iterator[Sentence]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPlan:
    """One candidate: items of sentences to speak, a caption line for each sentence, and how to make both."""

    key: str
    kind: Kind
    spoken_lang: str
    text_lang: str
    items: tuple[tuple[Sentence, ...], ...]
    lines: tuple[str, ...]
    voice: str
    rate_wpm: int
    pitch: int
    condition: str
    audio_format: str
    text_format: str
    seed: int
    duplicate_of: str | None = None


def plan_corpus(seed: int, scale: float) -> list[RecordingPlan]:
    """Plan every candidate, in listing order; at any scale each kind and each good language pair is there."""
    streams = {language: draw_sentences(language, _rng(seed, "sentences", language)) for language in LANGUAGES}
    good = [
        _plan(seed, streams, kind, pair, number)
        for kind in GOOD
        for number, pair in enumerate(_pairs(kind, len(kind.pairs), scale))
    ]
    planted = [
        _copy(good, kind, pair) if kind.repeats else _plan(seed, streams, kind, pair, number)
        for kind in PLANTED
        for number, pair in enumerate(_pairs(kind, 1, scale))
    ]
    return _listed([*good, *planted], _rng(seed, "listing"))
