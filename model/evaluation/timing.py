"""How far the times of words are off: where cues begin and end, against the words of the answer that are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer

from model.decoding.transcript import Word
from model.evaluation.normalisers import BASIC, normalise
from model.sample import Cue


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The distances (ms) of the edges of cues whose word was heard right, and how many edges there are."""

    errors_ms: tuple[int, ...]
    num_edges: int


def timing(cues: Sequence[Cue], words: Sequence[Word], lang: str) -> Timing:
    """Compare the start of each cue's first word and the end of its last one; words heard wrong are passed over."""
    wanted = [(cue, normalise(BASIC, cue.text, lang).split()) for cue in cues]
    wanted = [(cue, texts) for cue, texts in wanted if texts]
    said = [(word, text) for word in words for text in normalise(BASIC, word.text, lang).split()]
    if not wanted:
        return Timing(errors_ms=(), num_edges=0)
    reference = [text for _, texts in wanted for text in texts]
    aligned = jiwer.process_words(" ".join(reference), " ".join(text for _, text in said)).alignments[0]
    match = {
        chunk.ref_start_idx + step: said[chunk.hyp_start_idx + step][0]
        for chunk in aligned
        if chunk.type == "equal"
        for step in range(chunk.ref_end_idx - chunk.ref_start_idx)
    }
    errors: list[int] = []
    first = 0
    for cue, texts in wanted:
        last = first + len(texts) - 1
        errors += [abs(match[first].start_ms - cue.start_ms)] if first in match else []
        errors += [abs(match[last].end_ms - cue.end_ms)] if last in match else []
        first = last + 1
    return Timing(errors_ms=tuple(errors), num_edges=2 * len(wanted))
