from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter

import numpy as np
import pytest

from pipeline.sources.embedded.sentences import LANGUAGES, Sentence, draw_sentences, load_grammar


def draw(language: str, written: str | None = None, num: int = 250, said: set[str] | None = None) -> list[Sentence]:
    stream = draw_sentences(language, written or language, set() if said is None else said, np.random.default_rng(0))
    return list(itertools.islice(stream, num))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_words_the_same_templates_slots_and_concepts(language: str) -> None:
    grammar, english = load_grammar(language), load_grammar("en")
    assert list(grammar.templates) == list(english.templates)
    assert {name: list(words) for name, words in grammar.slots.items()} == {
        name: list(words) for name, words in english.slots.items()
    }
    for name, template in english.templates.items():
        slots = re.findall(r"\{\w+\}", template)
        assert sorted(re.findall(r"\{\w+\}", grammar.templates[name])) == sorted(slots)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_vocabulary_is_small_and_its_slot_words_come_evenly(language: str) -> None:
    words = Counter(word.strip(".,፣።").lower() for s in draw(language) for word in s.text.split())
    assert 45 <= len(words) <= 65
    numbers = [words[word] for word in load_grammar(language).slots["number"].values()]
    assert min(numbers) > 0.7 * max(numbers)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_new_short_and_written_as_people_write(language: str) -> None:
    sentences = draw(language, num=500)
    texts = [s.text for s in sentences]
    assert len(set(texts)) == 500
    for text in texts:
        assert 2 <= len(text.split()) <= 9
        assert text.endswith("።" if language == "am" else ".") and text[0] == text[0].upper()
        assert "{" not in text and text == unicodedata.normalize("NFC", text)


def test_amharic_is_written_in_ethiopic_alone() -> None:
    letters = {c for s in draw("am") for c in s.text if c.isalpha()}
    assert {unicodedata.name(c).split()[0] for c in letters} == {"ETHIOPIC"}


def test_a_sentence_comes_with_what_it_says_in_english() -> None:
    english = {s.text: s.english for s in draw("sw")}
    assert english["Treni tatu zitafika leo usiku."] == "Three trains will arrive tonight."


def test_english_captions_repeat_no_text_said_before() -> None:
    said: set[str] = set()
    english = {s.text for s in draw("en", num=100, said=said)}
    captions = [s.english for s in draw("es", "en", num=100, said=said)]
    assert len(set(captions)) == 100 and english.isdisjoint(captions)


def test_a_stream_ends_when_all_is_said() -> None:
    assert 600 < len(draw("es", num=100_000)) < 2200
