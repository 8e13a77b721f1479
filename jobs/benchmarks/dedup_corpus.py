"""A corpus of random texts with near duplicates of known similarity planted in it, as the tables dedup reads."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import artifact
from pipeline.artifact import Artifact
from pipeline.dedup.config import DedupConfig
from pipeline.schema import CANDIDATE, RECORDING, SEGMENT, SOUND_PRINT, TEXT_LANGUAGE
from pipeline.tables import conform

CONFIG = DedupConfig(
    min_text_words=20,
    min_jaccard=0.8,
    min_sound_coverage=0.8,
    max_sound_error=0.2,
    max_source_loss=1.0,
    partitions=16,
    min_eval_words=8,
    eval_words=13,
)
DOCS_PER_PART = 50_000
DUPLICATES = 10  # one text in so many is a near duplicate of another
SHINGLE = 5
NUM_WORDS = 200_000
_LETTERS = np.array(list("etaoinshrdlucmfwypvbgk"))

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """The corpus as artifacts, and the exact similarity of each planted pair of recording ids."""

    artifacts: Mapping[str, Artifact]
    pairs: Mapping[tuple[str, str], float]


@functools.cache
def vocabulary() -> pa.Array:
    """Return NUM_WORDS words of 2 to 9 letters; numbered, so that none repeats."""
    rng = np.random.default_rng(0)
    letters = _LETTERS[rng.integers(0, len(_LETTERS), (NUM_WORDS, 6))]
    return pa.array(["".join(row[: 1 + number % 6]) + _base26(number) for number, row in enumerate(letters)])


def random_texts(rng: np.random.Generator, num: int, num_words: tuple[int, int]) -> pa.Array:
    """Return texts of a number of words within bounds."""
    return _texts(*_draw(rng, num, num_words))


def publish_corpus(root: Path, num: int, num_words: tuple[int, int], similarity: tuple[float, float]) -> Planted:
    """Publish `num` documents; each near duplicate lies in the part of its original, far from it."""
    places: dict[str, Artifact] = {
        name: Artifact(root_uri=str(root), name=name, fingerprint=f"planted-{num}") for name in _TABLES
    }
    pairs: dict[tuple[str, str], float] = {}
    num_parts = -(-num // DOCS_PER_PART)
    for part in range(num_parts):
        rng = np.random.default_rng([1, part])
        size = min(DOCS_PER_PART, num - part * DOCS_PER_PART)
        texts, found = _with_duplicates(rng, size, num_words, similarity)
        names = [f"{part:04d}-{row:05d}" for row in range(size)]
        pairs |= {(names[one], names[other]): share for one, other, share in found}
        for name, table in _tables(names, texts).items():
            artifact.publish_unit(places[name], part, {part: table}, ())
    for place in places.values():
        artifact.publish_manifest(place, {"planted": num}, num_parts)
    return Planted(artifacts=places, pairs=pairs)


def _with_duplicates(
    rng: np.random.Generator, num: int, num_words: tuple[int, int], similarity: tuple[float, float]
) -> tuple[pa.Array, list[tuple[int, int, float]]]:
    num_copies = num // DUPLICATES
    words, bounds = _draw(rng, num - num_copies, num_words)
    documents = [words[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]
    originals = rng.choice(len(documents), num_copies, replace=False)
    wanted = rng.uniform(*similarity, num_copies)
    copies = [_changed(rng, documents[row], share) for row, share in zip(originals, wanted, strict=True)]
    found = [
        (int(row), len(documents) + number, _jaccard(documents[row], copies[number]))
        for number, row in enumerate(originals)
    ]
    every = [*documents, *copies]
    return _texts(np.concatenate(every), np.append(0, np.cumsum([len(item) for item in every]))), found


def _changed(rng: np.random.Generator, words: Numbers, similarity: float) -> Numbers:
    """Exchange as many words, far apart, as bring the similarity of the sets of shingles to about what is asked."""
    num_shingles = len(words) - SHINGLE + 1
    lost = round((1 - similarity) / (1 + similarity) * num_shingles / SHINGLE)
    changed = words.copy()
    slots = np.arange(SHINGLE, len(words) - SHINGLE, SHINGLE)
    changed[rng.choice(slots, min(lost, len(slots)), replace=False)] = rng.integers(0, NUM_WORDS, min(lost, len(slots)))
    return changed


def _jaccard(one: Numbers, other: Numbers) -> float:
    first, second = _shingles(one.tolist()), _shingles(other.tolist())
    return len(first & second) / len(first | second)


def _shingles(words: list[int]) -> set[tuple[int, ...]]:
    return {tuple(words[start : start + SHINGLE]) for start in range(len(words) - SHINGLE + 1)}


def _draw(rng: np.random.Generator, num: int, num_words: tuple[int, int]) -> tuple[Numbers, Numbers]:
    bounds = np.append(0, np.cumsum(rng.integers(num_words[0], num_words[1] + 1, num)))
    words = (NUM_WORDS ** rng.random(int(bounds[-1]))).astype(np.int64) - 1
    return words, bounds


def _texts(words: Numbers, bounds: Numbers) -> pa.Array:
    lists = pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), vocabulary().take(pa.array(words)))
    return pc.binary_join(lists, " ")


def _base26(number: int) -> str:
    return chr(97 + number % 26) + (_base26(number // 26) if number >= 26 else "")


def _tables(names: list[str], texts: pa.Array) -> dict[str, pa.Table]:
    ids = pa.array(names)
    segment_ids = pc.binary_join_element_wise(ids, "0", ":")
    return {
        "candidate": _table(CANDIDATE, len(names), candidate_id=ids, seed_url="planted"),
        "recording": _table(
            RECORDING,
            len(names),
            recording_id=ids,
            candidate_id=ids,
            source="planted",
            page_url="planted",
            sha256=ids,
            pcm_sha256=ids,
            audio_bytes=1000,
            duration_ms=1000,
            sample_rate=16_000,
        ),
        "segment": _table(SEGMENT, len(names), segment_id=segment_ids, recording_id=ids, text=texts),
        "text_language": _table(TEXT_LANGUAGE, len(names), segment_id=segment_ids, lang="en"),
        "sound_print": _table(SOUND_PRINT, len(names), segment_id=segment_ids),
    }


_TABLES = ("candidate", "recording", "segment", "text_language", "sound_print")


def _table(schema: pa.Schema, num: int, **columns: Any) -> pa.Table:
    given = {
        name: value if isinstance(value, pa.Array) else pa.repeat(pa.scalar(value), num)
        for name, value in columns.items()
    }
    blank = {field.name: pa.nulls(num, field.type) for field in schema if field.name not in given}
    return conform(pa.table({**given, **blank}), schema)
