"""Dedup: which windows belong to a recording that repeats another one, and which of them is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline import tables, text
from pipeline.dedup.match import Match, Signature, match, text_key
from pipeline.schema import CLUSTER
from pipeline.stage import Context, Output, Stage, Tables, same_segments, semantic_config, split_by_part


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupConfig:
    """A caption of fewer than `min_text_words` words is no evidence of a duplicate."""

    min_text_words: int


@dataclass(frozen=True, slots=True)
class Dedup:
    """The dedup stage's function."""

    config: DedupConfig

    def __call__(self, inputs: Tables, context: Context) -> Mapping[str, Sequence[pa.Table]]:
        """Match all recordings, then say for each window what its recording's place is."""
        matches = match(self._signatures(inputs))
        parts = split_by_part(inputs["segment"])
        return {"cluster": [_cluster_rows(part, matches) for part in parts]}

    def _signatures(self, inputs: Tables) -> list[Signature]:
        texts: dict[str, list[str]] = defaultdict(list)
        speech: dict[str, list[float]] = defaultdict(list)
        ratios = inputs["speech"]["cue_speech_ratio"].to_pylist()
        for row, ratio in zip(inputs["segment"].to_pylist(), ratios, strict=True):
            texts[row["recording_id"]].append(row["text"] or "")
            speech[row["recording_id"]].append(ratio or 0.0)
        rows = [row for row in inputs["recording"].to_pylist() if row["recording_id"] in texts]
        return [self._signature(row, texts[row["recording_id"]], speech[row["recording_id"]]) for row in rows]

    def _signature(self, row: dict[str, Any], texts: list[str], speech: list[float]) -> Signature:
        document = text.normalise_for_match(" ".join(texts))
        keys = {
            "exact_audio": row["sha256"],
            "exact_pcm": row["pcm_sha256"],
            "exact_text": text_key(document, self.config.min_text_words),
        }
        # Kept first: a caption at all, then the caption that lies best on the speech, then the richer encoding.
        quality = (
            float(bool(document)),
            round(sum(speech) / len(speech), 2),
            row["audio_bytes"] / max(1, row["duration_ms"]),
        )
        return Signature(recording_id=row["recording_id"], keys=keys, quality=quality)


def dedup_stage(config: DedupConfig) -> Stage:
    """Build the stage that finds exact duplicates over the whole corpus."""
    return Stage(
        name="dedup",
        reads={
            "segment": ("segment_id", "recording_id", "text"),
            "recording": ("recording_id", "sha256", "pcm_sha256", "audio_bytes", "duration_ms"),
            "speech": ("segment_id", "cue_speech_ratio"),
        },
        outputs=(
            Output(
                name="cluster",
                schema=CLUSTER,
                version=1,
                config=semantic_config(config),
                count_by=("method",),
            ),
        ),
        run=Dedup(config),
        conserve=same_segments,
        is_gather=True,
    )


def _cluster_rows(part: pa.Table, matches: Mapping[str, Match]) -> pa.Table:
    rows = [
        _cluster_row(row["segment_id"], row["recording_id"], matches[row["recording_id"]]) for row in part.to_pylist()
    ]
    return tables.from_rows(rows, CLUSTER)


def _cluster_row(segment_id: str, recording_id: str, found: Match) -> dict[str, Any]:
    is_representative = recording_id == found.representative_id
    return {
        "segment_id": segment_id,
        "cluster_id": found.cluster_id,
        "is_representative": is_representative,
        "method": found.method,
        "partner_id": None if is_representative else found.representative_id,
        "similarity": None if is_representative else 1.0,
    }
