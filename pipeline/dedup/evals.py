"""Evaluation sets, to be kept out of training: lay out their items, and take the n-grams and sound print of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline import embedded_file, store, tables
from pipeline.audio import DecodeError
from pipeline.decoder import decode
from pipeline.dedup import tables as t
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.shingles import grams_of
from pipeline.dedup.sound import HOP, sound_codes
from pipeline.errors import UserError
from pipeline.stage import Context, Output, Stage, Tables

ITEMS_PER_PART = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """An item of an evaluation set: its words, and where its audio lies, perhaps in a tar (pipeline.embedded_file)."""

    eval_set: str
    item: str
    text: str
    audio_uri: str | None


def item_parts(items: Iterable[HeldOut]) -> Iterator[pa.Table]:
    """Lay items out in parts, as they come, one part at least; UserError for audio that is not there."""
    rows = _rows(items)
    yield tables.from_rows(list(itertools.islice(rows, ITEMS_PER_PART)), t.EVAL_ITEM)
    while part := list(itertools.islice(rows, ITEMS_PER_PART)):
        yield tables.from_rows(part, t.EVAL_ITEM)


def eval_stage(config: DedupConfig) -> Stage:
    """Build the stage that takes the prints of evaluation items; EVAL_ITEM comes from `item_parts`."""
    identity = {name: getattr(config, name) for name in ("eval_words", "min_eval_words")}
    return Stage(
        name="eval_print",
        reads={"eval_item": None},
        outputs=(Output(name="eval_print", schema=t.EVAL_PRINT, version=2, config=identity, count_by=("eval_set",)),),
        run=EvalPrint(max_words=config.eval_words, min_words=config.min_eval_words),
        conserve=_same_items,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalPrint:
    """The stage's function."""

    max_words: int
    min_words: int

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Take the prints of a part of items."""
        prints = [self._print(row) for row in inputs["eval_item"].to_pylist()]
        return {"eval_print": [tables.from_rows(prints, t.EVAL_PRINT)]}

    def _print(self, row: Mapping[str, Any]) -> dict[str, Any]:
        size, grams = grams_of(row["text"], self.min_words, self.max_words)
        sound = _sound(row["audio_uri"]) if row["audio_uri"] else {"pcm_sha256": None, "codes": [], "late_codes": []}
        return {"eval_set": row["eval_set"], "item": row["item"], "size": size, "grams": grams, **sound}


def _rows(items: Iterable[HeldOut]) -> Iterator[dict[str, Any]]:
    stamped = file = None
    for item in items:
        if item.audio_uri and _file(item.audio_uri) != file:  # samples of one tar follow each other
            file = _file(item.audio_uri)
            stamped = store.stamp(file)
        if item.audio_uri and stamped == "missing":
            raise UserError(
                f"evaluation set {item.eval_set!r} has no audio {item.audio_uri}; expected what {item.item!r} sounds "
                "like; mend the set, or take it out of conf/eval_sets.yaml"
            )
        yield {
            "eval_set": item.eval_set,
            "item": item.item,
            "text": item.text,
            "audio_uri": item.audio_uri,
            "validator": stamped if item.audio_uri else None,
        }


def _file(uri: str) -> str:
    return uri.rpartition("#")[0] if embedded_file.is_embedded(uri) else uri


def _sound(uri: str) -> dict[str, Any]:
    """Hear an item. Its frames may lie half a frame beside a recording's, and an utterance has few to be found by."""
    try:
        heard = decode(embedded_file.read(uri) if embedded_file.is_embedded(uri) else store.read_bytes(uri))
    except (DecodeError, OSError) as error:
        raise UserError(
            f"evaluation audio {uri} cannot be kept out: {error}; expected audio that every worker can read; mend the "
            "set, or take it out of conf/eval_sets.yaml"
        ) from error
    samples = heard.samples
    late = sound_codes(samples[HOP // 2 :])
    return {"pcm_sha256": heard.pcm_sha256, "codes": sound_codes(samples), "late_codes": late}


def _same_items(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    assert outputs["eval_print"][0]["item"].equals(inputs["eval_item"]["item"]), "an evaluation item was lost"
