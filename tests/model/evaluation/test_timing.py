"""Edges of cues against words that were heard right."""

from __future__ import annotations

from model.decoding.transcript import Word
from model.evaluation.timing import timing
from model.sample import Cue

CUES = (Cue(start_ms=0, end_ms=1000, text="One, two three."), Cue(start_ms=1500, end_ms=2500, text="Four five"))


def words(*spoken: tuple[str, int, int]) -> list[Word]:
    return [Word(start_ms=start, end_ms=end, text=text, prob=1.0) for text, start, end in spoken]


def test_edges_are_compared_where_their_word_is_right() -> None:
    said = words(
        (" One", 100, 200), (" too", 200, 500), (" three", 500, 950), (" four", 1400, 1800), (" jive", 1800, 2600)
    )
    found = timing(CUES, said, "en")
    assert found.errors_ms == (100, 50, 100) and found.num_edges == 4


def test_inserted_words_move_nothing_and_no_words_find_nothing() -> None:
    said = words((" um", 0, 50), (" one", 60, 200), (" two-three", 200, 1010))
    assert timing(CUES[:1], said, "en").errors_ms == (60, 10)
    assert timing(CUES, [], "en").errors_ms == () and timing(CUES, [], "en").num_edges == 4
    assert timing((Cue(start_ms=0, end_ms=10, text="…"),), said, "en").num_edges == 0
