"""Draw small-vocabulary sentences, each with its English translation, from one grammar file per language."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import yaml

LANGUAGES = ("en", "es", "sw", "am")
PIVOT = "en"
MAX_REDRAWS = 20  # a template whose every filling has been said is passed over after this many tries
RELUCTANCE = 1.6  # what one use takes off the log weight of a word: they come evenly, yet in no fixed order

_SLOT = re.compile(r"\{(([a-z]+)\d?)\}")  # {number2}: the second use of slot "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence as written in its language, and what it says in English (the same text for English)."""

    text: str
    english: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """A language's wording: template id -> text with slots, slot -> concept (in English) -> word."""

    title: str
    templates: Mapping[str, str]
    slots: Mapping[str, Mapping[str, str]]


@functools.cache
def load_grammar(language: str) -> Grammar:
    """Read the grammar of one of `LANGUAGES`; English words are their own concepts."""
    raw = yaml.safe_load((files("pipeline.sources.embedded") / "data" / f"{language}.yaml").read_text("utf-8"))
    slots = {name: words if language != PIVOT else {w: w for w in words} for name, words in raw["slots"].items()}
    return Grammar(title=raw["title"], templates=raw["templates"], slots=slots)


def draw_sentences(language: str, written: str, said: set[str], rng: np.random.Generator) -> Iterator[Sentence]:
    """Yield sentences to speak in `language` and to write in it or in English, templates in turn, words evenly.

    What is spoken or written is added to `said`, and nothing in `said` is spoken or written again. It ends when
    no template has anything new to say (alone, after some 1,000 sentences).
    """
    grammar, pivot = load_grammar(language), load_grammar(PIVOT)
    uses: Counter[str] = Counter()
    num_spent = 0
    for name in _in_turn(list(grammar.templates), rng):
        drawn = (_choose_concepts(pivot, name, uses, rng) for _ in range(MAX_REDRAWS))
        fillings = ((concepts, _sentence(grammar, pivot, name, concepts)) for concepts in drawn)
        new = next((f for f in fillings if said.isdisjoint(_heard_or_read(f[1], written))), None)
        num_spent = 0 if new else num_spent + 1
        if new:
            concepts, sentence = new
            said |= _heard_or_read(sentence, written)
            uses.update(concepts.values())
            yield sentence
        elif num_spent == len(grammar.templates):
            return


def _in_turn(names: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    """Yield every name once, then again and again, each time in another order."""
    while True:
        yield from (names[int(place)] for place in rng.permutation(len(names)))


def _heard_or_read(sentence: Sentence, written: str) -> set[str]:
    return {sentence.text, sentence.english if written == PIVOT else sentence.text}


def _sentence(grammar: Grammar, pivot: Grammar, name: str, concepts: Mapping[str, str]) -> Sentence:
    return Sentence(text=_fill(grammar, name, concepts), english=_fill(pivot, name, concepts))


def _choose_concepts(pivot: Grammar, name: str, uses: Counter[str], rng: np.random.Generator) -> dict[str, str]:
    """Fill each slot of a template with one of its least used concepts, as a deck would, none of them twice."""
    chosen: dict[str, str] = {}
    for key, slot in _SLOT.findall(pivot.templates[name]):
        free = [concept for concept in pivot.slots[slot] if concept not in chosen.values()]
        # The largest score is a draw with weights exp(-RELUCTANCE * uses), the Gumbel way.
        scores = rng.gumbel(size=len(free)) - RELUCTANCE * np.array([uses[concept] for concept in free])
        chosen[key] = free[int(scores.argmax())]
    return chosen


def _fill(grammar: Grammar, name: str, concepts: Mapping[str, str]) -> str:
    text = _SLOT.sub(lambda match: grammar.slots[match[2]][concepts[match[1]]], grammar.templates[name])
    return text[0].upper() + text[1:]
