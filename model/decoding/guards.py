"""Guards against what a decoder says when it hears nothing: loops, phrases of its training captions, text on silence.

What each one costs and brings is measured by jobs/transcribe.py with ablate=true.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from importlib import resources

from pipeline.text import normalise_for_match

MAX_PERIOD = 24  # tokens; a phrase longer than this that repeats is left to the compression ratio
MIN_LOOP_TOKENS = 12  # "no, no, no, no" is speech
MIN_SPEECH_SHARE = 0.3  # of a segment's time, below which a suspicious text is no text


def loop_length(tokens: Sequence[int], max_repeats: int) -> int:
    """Return how many tokens at the end are repeats too many: whole periods after the first, 0 when there is no loop.

    A loop is a run of at most MAX_PERIOD tokens said more than `max_repeats` times, MIN_LOOP_TOKENS in all.
    """
    for period in range(1, MAX_PERIOD + 1):
        needed = max(period * (max_repeats + 1), MIN_LOOP_TOKENS)
        if len(tokens) < needed:
            break
        tail = tokens[-needed:]
        if all(tail[place] == tail[place - period] for place in range(period, needed)):
            return _run(tokens, period) - period
    return 0


def compression_ratio(text: str) -> float:
    """Return how many times smaller zlib makes the text; repetition is above Whisper's 2.4."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def is_boilerplate(text: str) -> bool:
    """Tell whether a text is nothing but a phrase that captions end with and nobody says ("Thanks for watching")."""
    return normalise_for_match(text) in _boilerplate()


def is_hallucination(text: str, speech_share: float | None, no_speech_prob: float) -> bool:
    """Judge a segment: `speech_share` is how much of its time is speech, None where nobody measured it.

    Text on silence is none. Boilerplate is none where the model doubts that there is speech at all.
    """
    if speech_share is not None and speech_share == 0.0:
        return True
    doubtful = no_speech_prob > 0.3 if speech_share is None else speech_share < MIN_SPEECH_SHARE
    return doubtful and is_boilerplate(text)


def _run(tokens: Sequence[int], period: int) -> int:
    """Return the length of the longest tail with this period."""
    length = period
    while length < len(tokens) and tokens[-length - 1] == tokens[-length - 1 + period]:
        length += 1
    return length


@functools.cache
def _boilerplate() -> frozenset[str]:
    lines = resources.files("model").joinpath("assets/boilerplate.txt").read_text("utf-8").splitlines()
    return frozenset(normalise_for_match(line) for line in lines if line and not line.startswith("#"))
