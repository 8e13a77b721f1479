"""Dedup: planted duplicates found, distorted sound found, signatures a second beside peers, and a whole large corpus.

Peers (rensa, datasketch, polars, duckdb) are measured where they are installed. Texts are made of random words, as
many of each as a language has (Zipf), so that nothing but what is planted repeats.
"""

from __future__ import annotations

import importlib.util
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.benchmarks.dedup_corpus import CONFIG, publish_corpus, random_texts
from jobs.benchmarks.dedup_scale import Scale, scale_lines
from jobs.benchmarks.dedup_sound import sound_lines
from jobs.benchmarks.turns import ratio, take_turns
from jobs.benchmarks.workers import Workers, flow
from pipeline import artifact
from pipeline.artifact import Artifact
from pipeline.dedup.shingles import measure
from pipeline.dedup.stage import dedup_stages
from pipeline.errors import unknown_name


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupBench:
    """Which parts to measure (planted, sound, signatures, scale), and how much.

    That is: documents planted, signed by all, and taken through all stages, with the words of each of the last.
    `audio` is a folder of real speech for the sound prints, besides the synthetic voices.
    """

    parts: Sequence[str] = ("planted", "sound", "signatures", "scale")
    num_planted: int = 50_000
    num_signed: int = 5_000
    num_rounds: int = 5
    corpus_sizes: Sequence[int] = (100_000, 200_000)
    corpus_words: int = 50
    num_workers: int = 2
    join_rounds: int = 3
    audio: str | None = None


def bench_dedup(settings: DedupBench) -> Iterator[str]:
    """Yield Markdown tables, a line at a time."""
    lines: Mapping[str, Callable[[], Iterator[str]]] = {
        "planted": lambda: _planted_lines(settings),
        "sound": lambda: sound_lines(settings.audio, CONFIG),
        "signatures": lambda: _signature_lines(settings),
        "scale": lambda: scale_lines(_scale(settings)),
    }
    for part in settings.parts:
        if part not in lines:
            raise unknown_name("dedup.parts", part, lines)
        yield from lines[part]()


def _scale(settings: DedupBench) -> Scale:
    return Scale(
        sizes=settings.corpus_sizes,
        num_words=settings.corpus_words,
        num_workers=settings.num_workers,
        join_rounds=settings.join_rounds,
    )


def _planted_lines(settings: DedupBench) -> Iterator[str]:
    """Plant a near duplicate for one text in ten, of J from 0.6 to 1, and see which are found at 0.8."""
    with tempfile.TemporaryDirectory() as root:
        planted = publish_corpus(Path(root), settings.num_planted, (100, 400), (0.6, 1.0))
        workers = Workers(settings.num_workers)
        found = _tied(flow(root, workers).run(dedup_stages(CONFIG), planted.artifacts)["member"])
        workers.close()
    wanted = {pair for pair, similarity in planted.pairs.items() if similarity >= CONFIG.min_jaccard}
    near = {pair for pair, similarity in planted.pairs.items() if similarity >= CONFIG.min_jaccard - 0.05}
    yield "| planted near duplicates | pairs | recall | precision |"
    yield "|---|---|---|---|"
    for low in (0.8, 0.85, 0.9, 0.95):
        pairs = {pair for pair in wanted if low <= planted.pairs[pair] < low + 0.05}
        yield f"| J {low:.2f} to {low + 0.05:.2f} | {len(pairs)} | {len(pairs & found) / len(pairs):.4f} | |"
    true = len(found & wanted)
    yield f"| J >= 0.8, all | {len(wanted)} | {true / len(wanted):.4f} | {true / len(found):.4f} |"
    assert found <= near, "a pair far from similar was joined"


def _tied(member: Artifact) -> set[tuple[str, str]]:
    rows = artifact.read_all(member, ("recording_id", "cluster_id")).to_pylist()
    clusters: dict[str, list[str]] = {}
    for row in rows:
        clusters.setdefault(row["cluster_id"], []).append(row["recording_id"])
    assert all(len(names) == 2 for names in clusters.values()), "a chain was not planted"
    return {(min(names), max(names)) for names in clusters.values()}


def _signature_lines(settings: DedupBench) -> Iterator[str]:
    """Sign raw texts of 100 to 400 words: ours makes words, digest, MinHash and bands; peers get 5-grams by split."""
    texts: list[str] = random_texts(np.random.default_rng(1), settings.num_signed, (100, 400)).to_pylist()
    column = pa.array(texts)
    candidates: dict[str, Callable[[], Any]] = {"sotto": lambda: measure(column)}
    if importlib.util.find_spec("rensa"):
        candidates["rensa"] = lambda: _rensa(texts)
    if importlib.util.find_spec("datasketch"):
        candidates["datasketch"] = lambda: _datasketch(texts)
    seconds = take_turns(candidates, settings.num_rounds)
    yield ""
    yield "| signatures, 128 hashes, from raw text | documents a second and core | times datasketch |"
    yield "|---|---|---|"
    last = list(candidates)[-1]
    for name in candidates:
        yield f"| {name} | {len(texts) / statistics.median(seconds[name]):,.0f} | {ratio(seconds, name, last):.1f} |"


def _five_grams(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[start : start + 5]) for start in range(len(words) - 4)]


def _rensa(texts: Sequence[str]) -> None:
    rensa: Any = importlib.import_module("rensa")
    for text in texts:
        sketch = rensa.RMinHash(num_perm=128, seed=1)
        sketch.update(_five_grams(text))
        sketch.digest()


def _datasketch(texts: Sequence[str]) -> None:
    datasketch: Any = importlib.import_module("datasketch")
    for text in texts:
        sketch = datasketch.MinHash(num_perm=128)
        sketch.update_batch([gram.encode() for gram in _five_grams(text)])


def run() -> None:
    """Print the small version."""
    for line in bench_dedup(DedupBench()):
        print(line, flush=True)
