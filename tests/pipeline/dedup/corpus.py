"""A tiny corpus for dedup: recordings with a text, an audio and a print, cut into parts, run through all stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.running.executor import Executor, SerialExecutor
from jobs.running.flow import Flow
from pipeline import artifact
from pipeline.artifact import Artifact
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.evals import HeldOut, eval_stage, item_parts
from pipeline.dedup.stage import dedup_stages
from pipeline.schema import CANDIDATE, RECORDING, SEGMENT, SOUND_PRINT, TEXT_LANGUAGE

SETTINGS: dict[str, Any] = {
    "min_text_words": 20,
    "min_jaccard": 0.8,
    "min_sound_coverage": 0.8,
    "max_sound_error": 0.2,
    "max_source_loss": 1.0,
    "partitions": 2,
    "eval_words": 13,
    "min_eval_words": 8,
}


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recording; what is not given is unlike that of every other one."""

    name: str
    texts: tuple[str | None, ...] = ()
    audio: str | None = None
    pcm: str | None = None
    codes: Sequence[int] = ()
    lang: str = "en"
    kind: str | None = None
    split: str | None = None
    source: str = "web"
    page: str = "http://a.test/feed"
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


def words(name: str, num: int, start: int = 0) -> str:
    """Return a text of its own: word 'start' to 'start + num' of an endless one."""
    return " ".join(f"{name}{number}" for number in range(start, start + num))


def sound(seed: int, num: int = 400) -> np.ndarray[Any, Any]:
    """Return the print of a sound of its own."""
    return np.random.default_rng(seed).integers(1, 1 << 32, num).astype(np.uint32)


def noisy(codes: np.ndarray[Any, Any], share: float, seed: int = 0) -> np.ndarray[Any, Any]:
    """Return a print of which a share of the codes has two wrong bits."""
    rng = np.random.default_rng(seed)
    flips = np.uint32(1) << rng.integers(0, 32, (2, len(codes))).astype(np.uint32)
    return np.where(rng.random(len(codes)) < share, codes ^ flips[0] ^ flips[1], codes)


def clusters(root: Path, parts: Sequence[Sequence[Recording]], **changed: Any) -> dict[str, dict[str, Any]]:
    """Run all stages; return the first window's row of each recording."""
    made = run(root, parts, **changed)
    rows = artifact.read_all(made["cluster"]).to_pylist()
    return {row["segment_id"].partition(":")[0]: row for row in reversed(rows)}


def run(
    root: Path,
    parts: Sequence[Sequence[Recording]],
    executor: Executor | None = None,
    evals: Sequence[HeldOut] = (),
    **changed: Any,
) -> dict[str, Artifact]:
    """Run all stages over some parts, keeping evaluation items out."""
    flow = Flow(root_uri=str(root), blobs_uri="", executor=executor or SerialExecutor(), progress=lambda *_: None)
    config = DedupConfig(**{**SETTINGS, **changed})
    made = {name: flow.publish_source(name, [table(part) for part in parts]) for name, table in _TABLES.items()}
    stages = dedup_stages(config, has_eval_sets=bool(evals))
    if evals:
        made["eval_item"] = flow.publish_source("eval_item", list(item_parts(evals)))
        stages = [eval_stage(config), *stages]
    return flow.run(stages, made)


def _candidates(part: Sequence[Recording]) -> pa.Table:
    return _table(CANDIDATE, [{"candidate_id": item.name, "seed_url": item.page} for item in part])


def _recordings(part: Sequence[Recording]) -> pa.Table:
    rows = [
        {
            "recording_id": item.name,
            "candidate_id": item.name,
            "source": item.source,
            "page_url": item.page,
            "declared_split": item.split,
            "sha256": item.audio or f"audio of {item.name}",
            "pcm_sha256": item.pcm or f"samples of {item.name}",
            "audio_bytes": 4000,
            "duration_ms": 1000,
            "sample_rate": 16000,
            **item.facts,
        }
        for item in part
    ]
    return _table(RECORDING, rows)


def _windows(part: Sequence[Recording]) -> list[tuple[Recording, int, str | None]]:
    return [(item, number, text) for item in part for number, text in enumerate(item.texts or (None,))]


def _segments(part: Sequence[Recording]) -> pa.Table:
    rows = [
        {
            "segment_id": f"{item.name}:{number}",
            "recording_id": item.name,
            "text": text,
            "cues": [{"start_ms": 0, "end_ms": 500, "text": text}] if text else None,
            "declared_text_kind": item.kind,
        }
        for item, number, text in _windows(part)
    ]
    return _table(SEGMENT, rows)


def _languages(part: Sequence[Recording]) -> pa.Table:
    rows = [{"segment_id": f"{item.name}:{number}", "lang": item.lang} for item, number, _ in _windows(part)]
    return _table(TEXT_LANGUAGE, rows)


def _prints(part: Sequence[Recording]) -> pa.Table:
    rows = [
        {"segment_id": f"{item.name}:{number}", "codes": list(item.codes) if number == 0 else []}
        for item, number, _ in _windows(part)
    ]
    return _table(SOUND_PRINT, rows)


def _table(schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    blank = dict.fromkeys(schema.names)
    return pa.Table.from_pylist([blank | dict(row) for row in rows], schema=schema)


_TABLES = {
    "candidate": _candidates,
    "recording": _recordings,
    "segment": _segments,
    "text_language": _languages,
    "sound_print": _prints,
}
