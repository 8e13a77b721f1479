"""Evaluation sets: list their items, and take the n-grams and the sound print of each.

A folder gives an item for each audio file and for each line of each .txt file; a .jsonl manifest one for each row,
with `audio` (a path beside it) and `text`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import store, tables
from pipeline.audio import DecodeError, sniff
from pipeline.decoder import decode
from pipeline.dedup import tables as t
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.shingles import grams_of
from pipeline.dedup.sound import sound_codes
from pipeline.errors import UserError
from pipeline.stage import Context, Output, Stage, Tables

ITEMS_PER_PART = 256
_SNIFFED_BYTES = 64


def list_eval_items(eval_sets: Mapping[str, str]) -> list[pa.Table]:
    """List the items of every set, in parts; UserError for a set that has none."""
    rows = [row for name, root in sorted(eval_sets.items()) for row in _items(name, root)]
    parts = [rows[start : start + ITEMS_PER_PART] for start in range(0, len(rows), ITEMS_PER_PART)]
    return [tables.from_rows(part, t.EVAL_ITEM) for part in parts] or [t.EVAL_ITEM.empty_table()]


def eval_stage(config: DedupConfig) -> Stage:
    """Build the stage that takes the prints of evaluation items; EVAL_ITEM comes from `list_eval_items`."""
    identity = {name: getattr(config, name) for name in ("eval_words", "min_eval_words")}
    return Stage(
        name="eval_print",
        reads={"eval_item": None},
        outputs=(Output(name="eval_print", schema=t.EVAL_PRINT, version=1, config=identity, count_by=("eval_set",)),),
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
        size, grams = grams_of(row["text"] or "", self.min_words, self.max_words)
        codes = _codes(row["audio_uri"]) if row["audio_uri"] else []
        return {"eval_set": row["eval_set"], "item": row["item"], "size": size, "grams": grams, "codes": codes}


def _items(name: str, root: str) -> Iterator[dict[str, Any]]:
    rows = list(_manifest(root) if root.endswith(".jsonl") else _folder(root))
    if not rows:
        raise UserError(
            f"evaluation set {name!r} has no items at {root!r}; expected a folder with audio or .txt files, "
            "or a .jsonl manifest; mend dedup.eval_sets"
        )
    for item, text, audio_uri in rows:
        validator = store.stamp(audio_uri) if audio_uri else None
        yield {"eval_set": name, "item": item, "text": text, "audio_uri": audio_uri, "validator": validator}


def _folder(root: str) -> Iterator[tuple[str, str | None, str | None]]:
    for uri in store.list_files(root):
        item = uri[len(root.rstrip("/")) + 1 :]
        if uri.endswith(".txt"):
            lines = store.read_bytes(uri).decode("utf-8", "replace").splitlines()
            yield from ((f"{item}#line={number}", line, None) for number, line in enumerate(lines, 1) if line.strip())
        elif store.size(uri) and sniff(store.read_range(uri, 0, min(_SNIFFED_BYTES, store.size(uri)))):
            yield item, None, uri


def _manifest(uri: str) -> Iterator[tuple[str, str | None, str | None]]:
    if not store.exists(uri):
        return
    for number, line in enumerate(store.read_bytes(uri).decode().splitlines(), 1):
        row: dict[str, Any] = json.loads(line)
        audio = row.get("audio")
        place = audio if audio is None or "://" in audio else store.join(uri.rpartition("/")[0] or ".", audio)
        yield f"line={number}", row.get("text"), place


def _codes(uri: str) -> NDArray[np.uint32]:
    try:
        return sound_codes(decode(store.read_bytes(uri)).samples)
    except DecodeError as error:
        raise UserError(
            f"evaluation audio {uri!r} does not decode: {error}; expected audio that can be kept out; mend the set"
        ) from error


def _same_items(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    assert outputs["eval_print"][0]["item"].equals(inputs["eval_item"]["item"]), "an evaluation item was lost"
