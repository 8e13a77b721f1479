"""The language that is heard in each recording, and how often recordings that claim a language are heard in it.

The second guards against Whisper's Welsh: where most recordings that claim a language are heard in others, the
language's labels are wrong, and none of its windows should train.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import schema, tables
from pipeline.annotate.crossfit import CrossFit, Heard, cross_fit
from pipeline.annotate.recordings import into_parts
from pipeline.annotate.spoken_stats import num_stats
from pipeline.stage import PART, Context, Output, Stage, Tables, same_segments, semantic_config


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The recordings of a corpus: their ids, what their language is claimed to be, and the row of each segment."""

    ids: tuple[str, ...]
    langs: tuple[str | None, ...]
    first_rows: tuple[int, ...]


def audio_language_stage(crossfit: CrossFit) -> Stage:
    """Build the stage; it reads what `spoken` measured, whichever way."""
    output = Output(name="audio_language", schema=schema.AUDIO_LANGUAGE, version=1, config=semantic_config(crossfit))
    return Stage(
        name="audio_language",
        reads={
            "segment": ("segment_id", "recording_id", "declared_lang"),
            "text_language": ("segment_id", "lang"),
            "spoken": None,
        },
        outputs=(output,),
        run=HearLanguages(crossfit=crossfit),
        conserve=same_segments,
        is_gather=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HearLanguages:
    """The stage's work: one fit over the whole corpus, answers in the segments' own parts."""

    crossfit: CrossFit = field(default_factory=CrossFit)

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Judge every recording; its segments share the answer."""
        segments, spoken = inputs["segment"], inputs["spoken"]
        claims = _claims(segments, inputs["text_language"])
        firsts = spoken.take(pa.array(claims.first_rows, pa.int64()))
        heard = _told(firsts) if firsts["probs"].null_count < len(firsts) else self._cross_fit(claims, firsts)
        answers = list(_answers(claims, heard))
        rows = np.searchsorted(np.array(claims.first_rows), np.arange(len(segments)), side="right") - 1
        columns = tables.from_rows(answers, _ANSWER).take(pa.array(rows))
        found = pa.table({"segment_id": segments["segment_id"], **{name: columns[name] for name in _ANSWER.names}})
        return {"audio_language": into_parts(found.append_column(PART, segments[PART]), context.num_parts["segment"])}

    def _cross_fit(self, claims: Claims, firsts: pa.Table) -> Heard:
        stats = np.full((len(firsts), num_stats()), np.nan)
        for at, row in enumerate(firsts["stats"]):
            if row.is_valid:
                stats[at] = row.values.to_numpy()
        return cross_fit(claims.ids, stats, claims.langs, self.crossfit)


_ANSWER = pa.schema([item for item in schema.AUDIO_LANGUAGE if item.name != "segment_id"])


def _claims(segments: pa.Table, text_language: pa.Table) -> Claims:
    ids: list[str] = segments["recording_id"].to_pylist()
    declared, written = segments["declared_lang"].to_pylist(), text_language["lang"].to_pylist()
    firsts = [row for row, name in enumerate(ids) if row == 0 or name != ids[row - 1]]
    return Claims(
        ids=tuple(ids[row] for row in firsts),
        langs=tuple(declared[row] or written[row] for row in firsts),
        first_rows=tuple(firsts),
    )


def _told(firsts: pa.Table) -> Heard:
    """Read a model's answers; all of them know the same languages."""
    rows = firsts.select(["langs", "probs"]).to_pylist()
    langs = tuple(next(row["langs"] for row in rows if row["langs"]))
    probs = [row["probs"] or [float("nan")] * len(langs) for row in rows]
    return Heard(langs=langs, probs_NL=np.array(probs, dtype=np.float64))


def _answers(claims: Claims, heard: Heard) -> Iterator[dict[str, Any]]:
    is_heard = [len(heard.langs) > 0 and not np.isnan(row[0]) for row in heard.probs_NL]
    best = [
        heard.langs[int(row.argmax())] if there else None for row, there in zip(heard.probs_NL, is_heard, strict=True)
    ]
    agree: dict[str | None, list[bool]] = defaultdict(list)
    for claim, lang in zip(claims.langs, best, strict=True):
        if claim in heard.langs and lang:
            agree[claim].append(lang == claim)
    for claim, lang, row in zip(claims.langs, best, heard.probs_NL, strict=True):
        votes = agree.get(claim)
        is_known = lang is not None and claim in heard.langs
        yield {
            "claimed_lang": claim,
            "audio_lang": lang if is_known else None,
            "audio_probability": float(row.max()) if is_known else None,
            "claimed_probability": float(row[heard.langs.index(claim)]) if is_known and claim else None,
            "claimed_agreement": sum(votes) / len(votes) if votes else None,
            "num_claimed": len(votes) if votes else None,
        }
