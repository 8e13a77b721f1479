"""Plan the embedded web from a seed: what every recording says, in which voice and place, spoilt how."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import UserError
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

Streams = dict[tuple[str, str], Iterator[Sentence]]  # by (spoken, written) language


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
    split: str = "train"
    duplicate_of: str | None = None


def plan_corpus(
    seed: int, scale: float, planted: float = 1.0, languages: Sequence[str] = LANGUAGES
) -> list[RecordingPlan]:
    """Plan every candidate, in listing order; at any scale each kind and each good language pair is there.

    `planted` is how many times as many are spoilt. Of the whole plan only what is spoken in `languages` is listed.
    UserError for more sentences than the grammars have.
    """
    said: set[str] = set()
    streams = {
        (spoken, written): draw_sentences(spoken, written, said, named_rng(seed, "sentences", spoken, written))
        for kind in GOOD
        for spoken, written in kind.pairs
    }
    good = [
        _plan(seed, streams, kind, pair, number)
        for kind in GOOD
        for number, pair in enumerate(_pairs(kind, len(kind.pairs), scale))
    ]
    originals = {
        pair: itertools.cycle([plan for plan in good if (plan.spoken_lang, plan.text_lang) == pair]) for pair in streams
    }
    spoilt = [
        _copy(next(originals[pair]), kind, number) if kind.repeats else _plan(seed, streams, kind, pair, number)
        for kind in PLANTED
        for number, pair in enumerate(_pairs(kind, 1, scale * planted))
    ]
    listed = [plan for plan in _listed([*good, *spoilt], named_rng(seed, "listing")) if plan.spoken_lang in languages]
    if not all(all(plan.items) and sum(map(len, plan.items)) == len(plan.lines) for plan in listed):
        raise UserError(
            f"embedded.scale {scale} with embedded.planted {planted} says more than its grammars can; expected about "
            "1,000 sentences a language; lower one of them, or leave languages out of embedded.languages"
        )
    return listed


def _pairs(kind: Kind, at_least: int, scale: float) -> Iterator[tuple[str, str]]:
    """Give each of a kind's language pairs its turn, as many times as the scale asks for."""
    num = max(at_least, round(len(kind.pairs) * kind.num_per_pair * scale))
    return itertools.islice(itertools.cycle(kind.pairs), num)


def _plan(seed: int, streams: Streams, kind: Kind, pair: tuple[str, str], number: int) -> RecordingPlan:
    spoken, written = pair
    rng = named_rng(seed, kind.name, spoken, written, str(number))
    num_items = ITEMS_GOOD if kind in GOOD else ITEMS_PLANTED
    in_turn = VARIANTS[number // len(kind.pairs) % len(VARIANTS)]
    variant = in_turn if kind in GOOD else str(rng.choice(VARIANTS))
    own = streams.get(pair, streams[spoken, spoken])
    items = tuple(tuple(itertools.islice(own, rng.choice(SENTENCES_PER_ITEM))) for _ in range(num_items))
    sentences = [sentence for item in items for sentence in item]
    shown = sentences if kind.has_own_text else itertools.islice(streams[written, written], len(sentences))
    return RecordingPlan(
        key=f"{spoken}-{written}-{kind.name}-{number}",
        kind=kind,
        spoken_lang=spoken,
        text_lang=written,
        items=items,
        lines=tuple(s.text if written == spoken or not kind.has_own_text else s.english for s in shown),
        voice=VOICES[spoken] + variant,
        rate_wpm=int(rng.integers(*RATES_WPM, endpoint=True)),
        pitch=int(rng.integers(*PITCHES, endpoint=True)),
        condition=str(rng.choice(list(CONDITIONS))),
        audio_format=str(rng.choice(encoding.FORMATS)),
        text_format=str(rng.choice(captions.FORMATS)),
        seed=int(rng.integers(2**32)),
        split=_split(number // len(kind.pairs)) if kind in GOOD else "train",
    )


def _split(turn: int) -> str:
    """Hold out good recordings of every language pair: a sixth to test, fewer to validate, the second one first."""
    if turn % 6 == 1:
        return "test"
    return "validation" if turn % 18 == 3 else "train"


def _copy(original: RecordingPlan, kind: Kind, number: int) -> RecordingPlan:
    return replace(original, key=f"copy-{kind.name}-{number}", kind=kind, duplicate_of=original.key)


def _listed(plans: Sequence[RecordingPlan], rng: np.random.Generator) -> list[RecordingPlan]:
    """Shuffle the plans and name each by its language and a number, which tell nothing about its kind."""
    shuffled = [plans[place] for place in rng.permutation(len(plans))]
    counts: Counter[str] = Counter()
    keys: dict[str | None, str] = {}
    for plan in shuffled:
        counts[plan.spoken_lang] += 1
        keys[plan.key] = f"{plan.spoken_lang}-{counts[plan.spoken_lang]:04}"
    return [replace(plan, key=keys[plan.key], duplicate_of=keys.get(plan.duplicate_of)) for plan in shuffled]


def named_rng(seed: int, *names: str) -> np.random.Generator:
    """Seed by name, so that one recording's draws do not move when others are added."""
    digest = hashlib.sha256("/".join((str(seed), *names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
