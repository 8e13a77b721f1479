from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from pipeline.errors import UserError
from pipeline.sources.embedded.kinds import GOOD, PLANTED
from pipeline.sources.embedded.plan import RecordingPlan, plan_corpus
from pipeline.sources.embedded.sentences import LANGUAGES, load_grammar

FULL = plan_corpus(0, 1.0)


def sentences(plan: RecordingPlan) -> list[str]:
    return [sentence.text for item in plan.items for sentence in item]


def test_a_tiny_corpus_still_has_every_kind_and_every_good_pair() -> None:
    plans = plan_corpus(0, 0.01)
    assert {plan.kind.name for plan in plans} == {kind.name for kind in (*GOOD, *PLANTED)}
    good = {(p.spoken_lang, p.text_lang) for p in plans if p.kind in GOOD}
    assert good == {pair for kind in GOOD for pair in kind.pairs}
    assert len(plans) == len(good) + len(PLANTED)


def test_a_full_corpus_has_the_numbers_of_the_table() -> None:
    counts = Counter(plan.kind.name for plan in FULL)
    assert counts["clean"] == 168 and counts["wrong_language"] == 4
    assert len(FULL) == sum(len(kind.pairs) * kind.num_per_pair for kind in (*GOOD, *PLANTED))


def test_more_can_be_spoilt_and_languages_left_out() -> None:
    plans = plan_corpus(0, 1.0, planted=3.0, languages=["en"])
    good = [plan for plan in FULL if plan.kind in GOOD and plan.spoken_lang == "en"]
    assert {plan.spoken_lang for plan in plans} == {"en"}
    assert [p.seed for p in sorted(good, key=lambda p: p.seed)] == sorted(p.seed for p in plans if p.kind in GOOD)
    counts = Counter(plan.kind.name for plan in plans)
    assert counts["loop"] == counts["silence"] == 3 and counts["clean"] == 36


@pytest.mark.parametrize(
    ("scale", "planted", "languages"),
    [
        (2.0, 8.0, LANGUAGES),
        (3.0, 3.0, ["en"]),  # all that is said is there, but not what is written for other speech
    ],
)
def test_more_sentences_than_a_grammar_has_are_a_mistake(
    scale: float, planted: float, languages: Sequence[str]
) -> None:
    with pytest.raises(
        UserError, match=rf"embedded\.scale {scale} with embedded\.planted {planted} says more than its grammars can"
    ):
        plan_corpus(0, scale, planted=planted, languages=languages)


def test_the_same_seed_gives_the_same_plan_and_another_gives_another() -> None:
    assert plan_corpus(0, 1.0) == FULL
    assert plan_corpus(1, 1.0) != FULL


def test_no_sentence_is_spoken_twice_but_in_duplicates() -> None:
    texts = [text for plan in FULL if plan.duplicate_of is None for text in sentences(plan)]
    assert len(texts) == len(set(texts))


def test_no_caption_line_is_written_twice_but_in_duplicates() -> None:
    lines = [line for plan in FULL if plan.duplicate_of is None for line in plan.lines]
    assert len(lines) == len(set(lines))


def test_lines_are_the_words_spoken_or_their_translation_or_other_words() -> None:
    for plan in FULL:
        english = [s.english for item in plan.items for s in item]
        own = sentences(plan) if plan.spoken_lang == plan.text_lang else english
        assert len(plan.lines) == len(own)
        assert (list(plan.lines) == own) == plan.kind.has_own_text


def test_duplicates_differ_from_their_clean_original_in_name_and_kind_alone() -> None:
    by_key = {plan.key: plan for plan in FULL}
    copies = [plan for plan in FULL if plan.duplicate_of]
    assert {plan.kind.name for plan in copies} == {"exact_duplicate", "reencoded_duplicate"}
    assert len({plan.duplicate_of for plan in copies}) == len(copies)
    for copy in copies:
        original = by_key[copy.duplicate_of or ""]
        assert original.kind.name == "clean" and original.key != copy.key
        assert (original.seed, original.items, original.audio_format) == (copy.seed, copy.items, copy.audio_format)


def test_twice_the_scale_is_twice_the_corpus_with_no_name_twice() -> None:
    plans = plan_corpus(0, 2.0)
    assert len({plan.key for plan in plans}) == len(plans) == 2 * len(FULL)


def test_planted_recordings_are_not_told_by_their_voice() -> None:
    variants = {p.voice.partition("+")[2] for p in FULL if p.kind in PLANTED and not p.kind.repeats}
    assert variants == {p.voice.partition("+")[2] for p in FULL if p.kind in GOOD}


def test_names_are_a_language_and_a_number() -> None:
    for language in ("en", "es", "sw", "am"):
        keys = [plan.key for plan in FULL if plan.spoken_lang == language]
        assert keys == [f"{language}-{number:04}" for number in range(1, len(keys) + 1)]


def test_every_word_is_heard_in_several_clean_recordings() -> None:
    for language in ("en", "es", "sw", "am"):
        clean = [p for p in FULL if p.kind is GOOD[0] and p.spoken_lang == language]
        for word in (w for slot in load_grammar(language).slots.values() for w in slot.values()):
            assert sum(word.lower() in " ".join(sentences(plan)).lower() for plan in clean) >= 4, word
