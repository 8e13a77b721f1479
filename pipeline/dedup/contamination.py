"""Which recordings are an item of an evaluation set or hold part of one: its words in a row, or its sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import tables
from pipeline.dedup import tables as t
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.documents import bounds_of, codes_of, texts_of
from pipeline.dedup.folding import folding_table
from pipeline.dedup.kernels import FILTER_BITS, hits
from pipeline.dedup.sound import Codes
from pipeline.dedup.sound_match import align, sound_keys
from pipeline.dedup.strings import buffers
from pipeline.stage import Context, Output, Stage, Tables


def contamination_stage(config: DedupConfig) -> Stage:
    """Build the stage that looks for evaluation items in every recording."""
    identity = {name: getattr(config, name) for name in ("min_sound_coverage", "max_sound_error")}
    output = Output(
        name="contamination", schema=t.CONTAMINATION, version=2, config=identity, count_by=("eval_set", "eval_method")
    )
    return Stage(
        name="contamination",
        reads={
            "segment": ("segment_id", "recording_id", "text"),
            "sound_print": None,
            "signature": ("recording_id", "pcm_sha256"),
            "eval_print": None,
        },
        outputs=(output,),
        run=Contamination(min_coverage=config.min_sound_coverage, max_error=config.max_sound_error),
        conserve=_each_recording_once,
        shared=("eval_print",),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """The stage's function."""

    min_coverage: float
    max_error: float

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Look through a part of segments; a recording gets the item it is, or holds most of, by text before sound."""
        segments, items = tables.zip_columns(inputs["segment"], inputs["sound_print"]), inputs["eval_print"]
        bounds = bounds_of(segments)
        ids: list[str] = segments["recording_id"].take(pa.array(bounds[:-1])).to_pylist()
        heard = self._by_sound(codes_of(segments, bounds), items)
        read = _by_text(texts_of(segments, bounds), items)
        same = _exact(inputs["signature"]["pcm_sha256"], items["pcm_sha256"])
        found = {row: ("audio_fingerprint", *hit) for row, hit in heard} | {row: ("ngram", *hit) for row, hit in read}
        found |= {row: ("exact_pcm", item, 1.0) for row, item in same}
        names = items.select(["eval_set", "item"]).to_pylist()
        rows: list[dict[str, Any]] = [
            {
                "row": row,
                "recording_id": ids[row],
                "eval_set": names[item]["eval_set"],
                "eval_item": names[item]["item"],
                "eval_method": method,
                "eval_overlap": overlap,
            }
            for row, (method, item, overlap) in sorted(found.items())
        ]
        return {"contamination": [tables.from_rows(rows, t.CONTAMINATION)]}

    def _by_sound(self, prints: pa.ListArray, items: pa.Table) -> Iterator[tuple[int, tuple[int, float]]]:
        num = items.num_rows
        item_codes = [*_arrays(items["codes"].combine_chunks()), *_arrays(items["late_codes"].combine_chunks())]
        keys = [sound_keys(codes) for codes in item_codes]
        numbers = np.repeat(np.arange(len(keys)), [len(found) for found in keys])
        every = np.concatenate([np.zeros(0, np.uint64), *keys])
        order = np.argsort(every, kind="stable")
        every, numbers = every[order], numbers[order]
        for row, codes in enumerate(_arrays(prints)):
            mine = sound_keys(codes)
            starts, ends = np.searchsorted(every, mine), np.searchsorted(every, mine, side="right")
            likely = {int(item) for start, end in zip(starts, ends, strict=True) for item in numbers[start:end]}
            overlaps = [(self._overlap(item_codes[item], codes), -(item % num)) for item in likely]
            if overlaps and (best := max(overlaps))[0] >= self.min_coverage:
                yield row, (-best[1], best[0])

    def _overlap(self, item: Codes, recording: Codes) -> float:
        """Return the share of the item's sound heard in the recording."""
        match = align(item, recording, self.max_error)
        return match.longer_coverage if match.is_one_longer else match.coverage


def _exact(recordings: pa.ChunkedArray, items: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
    """Yield the recordings that are an item, sample for sample, however short it is."""
    places: list[int | None] = pc.index_in(recordings, items, skip_nulls=True).to_pylist()
    yield from ((row, item) for row, item in enumerate(places) if item is not None)


def _by_text(texts: pa.Array, items: pa.Table) -> Iterator[tuple[int, tuple[int, float]]]:
    grams = items["grams"].combine_chunks()
    lengths = pc.list_value_length(grams).to_numpy()
    owners = np.repeat(np.arange(items.num_rows), lengths)
    values = grams.flatten().to_numpy()
    order = np.argsort(values, kind="stable")
    values, owners = values[order], owners[order]
    sizes = np.unique(items["size"].to_numpy()[lengths > 0]) if items.num_rows else np.zeros(0, np.int64)
    is_possible = np.zeros(1 << FILTER_BITS, np.bool_)
    is_possible[values & np.uint64((1 << FILTER_BITS) - 1)] = True
    data, offsets = buffers(texts)
    for row, (start, end) in enumerate(zip(offsets, offsets[1:], strict=False)):
        found = hits(data[start:end], folding_table(), sizes, values, is_possible)
        if len(found):
            # An n-gram may belong to several items; all their places stand together.
            places = np.flatnonzero(np.isin(values, np.unique(found)))
            shares = np.bincount(owners[places], minlength=items.num_rows) / np.maximum(1, lengths)
            yield row, (int(shares.argmax()), float(shares.max()))


def _arrays(lists: pa.ListArray) -> list[Codes]:
    bounds = np.append(0, np.cumsum(pc.list_value_length(lists).fill_null(0).to_numpy()))
    values = lists.flatten().to_numpy()
    return [values[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]


def _each_recording_once(inputs: Tables, outputs: Mapping[str, Sequence[pa.Table]]) -> None:
    ids = outputs["contamination"][0]["recording_id"]
    assert len(pc.unique(ids)) == len(ids), "a recording is contaminated twice"
