"""Text laid over speech: sentences between pauses, with a confidence that falls where the text is another's."""

from __future__ import annotations

import pytest

from pipeline.segment.align import place, sentences

# Characters a second are 15; sentences are parted by pauses of a second.
SENTENCES = [
    "There will be rain in the north today.",
    "Far away from the coast the sun will shine for some hours.",
    "Why?",
    "The school is on the left side of the old library, behind the bank.",
    "Two trains leave at noon.",
    "Nobody knows when the ferry over the lake will run again, but it will not be soon.",
]


def spoken(lines: list[str], ms_per_char: float = 67.0, pause_ms: int = 1000) -> list[tuple[int, int]]:
    regions: list[tuple[int, int]] = []
    now_ms = 500
    for line in lines:
        end_ms = now_ms + round(sum(map(str.isalnum, line)) * ms_per_char)
        regions.append((now_ms, end_ms))
        now_ms = end_ms + pause_ms
    return regions


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Rain. Sun, too!", ["Rain.", "Sun, too!"]),
        ("It is 3.5 km to www.example.org. Go.", ["It is 3.5 km to www.example.org.", "Go."]),
        ('He said "go." Then he left.', ['He said "go."', "Then he left."]),
        ("今天下雨。明天晴。", ["今天下雨。", "明天晴。"]),
        ("ዝናብ ይኖራል። ነገ ፀሐይ ነው።", ["ዝናብ ይኖራል።", "ነገ ፀሐይ ነው።"]),
        ("no marks at all\nbut lines", ["no marks at all", "but lines"]),
        ("♪♪\n\n...", []),
    ],
)
def test_a_text_is_cut_after_sentences_and_lines(text: str, parts: list[str]) -> None:
    assert list(sentences(text)) == parts


def test_long_sentences_are_cut_at_clauses_and_then_between_words() -> None:
    clauses = "a very long clause of a speaker who never stops, " * 12
    pieces = list(sentences(clauses))
    assert len(pieces) > 2 and max(map(len, pieces)) <= 200
    assert " ".join(pieces) == clauses.strip()
    words = list(sentences("word " * 100))
    assert len(words) == 4 and " ".join(words).split() == ["word"] * 100


def test_sentences_lie_where_they_are_said() -> None:
    speech = spoken(SENTENCES)
    cues = place(" ".join(SENTENCES), speech, 29_000)
    assert " ".join(cue.text for cue in cues) == " ".join(SENTENCES)
    starts = {start for start, _ in speech}
    ends = {end for _, end in speech}
    assert all(cue.start_ms in starts and cue.end_ms in ends for cue in cues)
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in cues if cue.text == SENTENCES[3]] == [
        (*speech[3], SENTENCES[3])
    ]
    assert min(cue.confidence or 0 for cue in cues) > 0.7


def test_short_breaths_within_sentences_are_no_ends() -> None:
    speech = spoken(SENTENCES)
    breaths = [(start + 800, start + 900) for start, end in speech if end > start + 1500]
    edges = sorted([*(time for region in speech for time in region), *(time for breath in breaths for time in breath)])
    cues = place(" ".join(SENTENCES), list(zip(edges[::2], edges[1::2], strict=True)), 29_000)
    assert len(breaths) >= 4
    assert {cue.start_ms for cue in cues} <= {start for start, _ in speech}


def test_text_of_other_speech_is_laid_with_little_confidence() -> None:
    text, others = SENTENCES * 4, [SENTENCES[at * at % 6] for at in range(26)]
    right, wrong = (place(" ".join(text), spoken(lines, pause_ms=400), 29_000) for lines in (text, others))
    assert sum((cue.confidence or 0) > 0.7 for cue in right) > 0.8 * len(right)
    assert sum((cue.confidence or 0) > 0.7 for cue in wrong) < 0.2 * len(wrong)


def test_what_is_known_to_be_said_there_is_surer() -> None:
    speech = spoken(SENTENCES)
    sure, unsure = (
        place(" ".join(SENTENCES), speech, 29_000, is_theirs=known)[1].confidence for known in (True, False)
    )
    assert (sure or 0) >= (unsure or 0)


def test_a_stretch_without_a_likely_cut_is_parted_by_proportion_and_trusted_by_none() -> None:
    cues = place(" ".join(SENTENCES), [(0, 40_000)], 10_000)
    assert [cue.confidence for cue in cues] == [0.0] * len(SENTENCES)
    assert (cues[0].start_ms, cues[-1].end_ms) == (0, 40_000)
    assert all(one.end_ms == other.start_ms for one, other in zip(cues, cues[1:], strict=False))


@pytest.mark.parametrize(("text", "speech"), [("", [(0, 1000)]), ("Rain.", []), ("♪", [(0, 1000)])])
def test_no_text_or_no_speech_has_no_place(text: str, speech: list[tuple[int, int]]) -> None:
    assert place(text, speech, 29_000) == ()
