"""Join cues that are single words into cues one can read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from pipeline.segment.cue import Cue

_MIN_SHARE = 0.6  # of cues with one word, for word-level captions
_MIN_CUES = 4
_MAX_GAP_MS, _MAX_CUE_MS = 1_000, 7_000  # the longest a subtitle stays up (Netflix timed text guide, section 1)
_MAX_CHARS = 84  # two lines of 42 (same guide)
_SENTENCE_END = re.compile(r"[.!?…。！？።؟]['\"”’)]*$")
# Scripts without spaces: Thai to Burmese, kana, Han and their marks.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uff00-\uff60]")
_CLOSING = re.compile(r"[.,!?;:…%)\]’'\"”]")


def is_word_level(cues: Sequence[Cue]) -> bool:
    """Tell whether most cues are single words."""
    num_words = sum(len(cue.text.split()) == 1 for cue in cues)
    return len(cues) >= _MIN_CUES and num_words >= _MIN_SHARE * len(cues)


def join_words(cues: Sequence[Cue]) -> list[Cue]:
    """Join words until a sentence or a speaker ends, a pause comes, or a subtitle would be full."""
    groups: list[list[Cue]] = []
    num_chars = 0
    for cue in cues:
        if not groups or _is_break(groups[-1], num_chars, cue):
            groups.append([])
            num_chars = 0
        groups[-1].append(cue)
        num_chars += len(cue.text) + 1
    return [replace(group[0], end_ms=max(cue.end_ms for cue in group), text=_join(group)) for group in groups]


def _is_break(group: list[Cue], num_chars: int, cue: Cue) -> bool:
    last = group[-1]
    return (
        cue.speaker != last.speaker
        or cue.start_ms - last.end_ms >= _MAX_GAP_MS
        or cue.end_ms - group[0].start_ms > _MAX_CUE_MS
        or num_chars + len(cue.text) > _MAX_CHARS
        or bool(_SENTENCE_END.search(last.text))
    )


def _join(group: list[Cue]) -> str:
    text = group[0].text
    for cue in group[1:]:
        is_tight = _CLOSING.fullmatch(cue.text) or (_UNSPACED.match(text[-1]) and _UNSPACED.match(cue.text[0]))
        text += cue.text if is_tight else f" {cue.text}"
    return text
