"""Dedup: planted duplicates found, distorted sound found, signatures a second beside peers, and a whole large corpus.

Peers (rensa, datasketch, polars, duckdb) are measured where they are installed. Texts are made of random words, as
many of each as a language has (Zipf), so that nothing but what is planted repeats.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.benchmarks.dedup_corpus import publish_corpus, random_texts
from jobs.benchmarks.dedup_sound import sound_lines
from jobs.benchmarks.turns import ratio, take_turns
from jobs.executor import Done
from jobs.flow import Flow
from pipeline import artifact
from pipeline.artifact import Artifact
from pipeline.dedup.config import DedupConfig
from pipeline.dedup.shingles import measure
from pipeline.dedup.stage import dedup_stages
from pipeline.dedup.tables import MINHASH
from pipeline.stage import Unit, run_unit

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupBench:
    """How much to measure: documents planted, signed by all, and taken through all stages; words of each of the last.

    `audio` is a folder of real speech for the sound prints, besides the synthetic voices.
    """

    num_planted: int = 50_000
    num_signed: int = 5_000
    num_rounds: int = 5
    corpus_sizes: Sequence[int] = (100_000, 200_000)
    corpus_words: int = 50
    num_workers: int = 2
    audio: str | None = None


def bench_dedup(settings: DedupBench) -> Iterator[str]:
    """Yield Markdown tables, a line at a time."""
    yield from _planted_lines(settings)
    yield from sound_lines(settings.audio, CONFIG)
    yield from _signature_lines(settings)
    yield from _corpus_lines(settings)


def _planted_lines(settings: DedupBench) -> Iterator[str]:
    """Plant a near duplicate for one text in ten, of J from 0.6 to 1, and see which are found at 0.8."""
    with tempfile.TemporaryDirectory() as root:
        planted = publish_corpus(Path(root), settings.num_planted, (100, 400), (0.6, 1.0))
        workers = _Workers(settings.num_workers)
        found = _tied(_flow(root, workers).run(dedup_stages(CONFIG), planted.artifacts)["member"])
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


def _corpus_lines(settings: DedupBench) -> Iterator[str]:
    """Take growing corpora through all stages, and give peers the band join alone, its input in memory."""
    yield ""
    yield (
        f"| {settings.corpus_words} words a document, {settings.num_workers} workers | documents | wall s | CPU s "
        "| peak GB | us of CPU a document |"
    )
    yield "|---|---|---|---|---|---|"
    for num in settings.corpus_sizes:
        yield from _corpus_line(settings, num)


def _corpus_line(settings: DedupBench, num: int) -> Iterator[str]:
    words = (settings.corpus_words * 4 // 5, settings.corpus_words * 6 // 5)
    with tempfile.TemporaryDirectory() as root:
        with _processes(1) as pool:  # whose memory is its own
            corpus = pool.submit(_published, root, num, words).result()
        workers = _Workers(settings.num_workers)
        start_s, start_cpu_s = time.monotonic(), _cpu_s()
        made = _flow(root, workers).run(dedup_stages(CONFIG), corpus)
        workers.close()
        wall_s, cpu_s = time.monotonic() - start_s, _cpu_s() - start_cpu_s
        yield _corpus_row("sotto, all stages", num, wall_s, cpu_s, workers.peak_bytes)
        for name, seconds in workers.stages.items():
            yield f"| . {name} | | {seconds:.1f} | | | |"
        for name, join in _peers().items():
            with _processes(1) as pool:
                wall_s, cpu_s, peak_bytes = pool.submit(_measured, join, made["bucket"]).result()
            yield _corpus_row(f"{name}, join of the bands alone", num, wall_s, cpu_s, peak_bytes)


def _peers() -> dict[str, Callable[[pa.Table], int]]:
    joins = {"polars": _polars, "duckdb": _duckdb}
    return {name: join for name, join in joins.items() if importlib.util.find_spec(name)}


def _corpus_row(name: str, num: int, wall_s: float, cpu_s: float, peak_bytes: int) -> str:
    return f"| {name} | {num:,} | {wall_s:.1f} | {cpu_s:.1f} | {peak_bytes / 1e9:.2f} | {cpu_s / num * 1e6:.1f} |"


def _measured(join: Callable[[pa.Table], int], bucket: Artifact) -> tuple[float, float, int]:
    rows = artifact.read_all(bucket, ("key", "method", "row"))
    bands = rows.filter(pc.equal(rows["method"], MINHASH)).select(["key"])
    bands = bands.append_column("doc", pa.array(np.arange(bands.num_rows, dtype=np.uint32)))
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    join(bands)
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return time.monotonic() - start_s, time.process_time() - start_cpu_s, peak_bytes


def _polars(bands: pa.Table) -> int:
    polars: Any = importlib.import_module("polars")
    frame = polars.from_arrow(bands).lazy()
    joined = frame.join(frame, on="key").filter(polars.col("doc") < polars.col("doc_right"))
    return joined.select("doc", "doc_right").unique().collect().height


def _duckdb(bands: pa.Table) -> int:
    duckdb: Any = importlib.import_module("duckdb")
    connection = duckdb.connect(config={"threads": len(os.sched_getaffinity(0))})
    connection.register("bands", bands)
    pairs = "select distinct a.doc, b.doc from bands a join bands b on a.key = b.key and a.doc < b.doc"
    return connection.execute(f"select count(*) from ({pairs})").fetchone()[0]


class _Workers:
    """Processes that run units, with what each stage took and the most memory they held together."""

    def __init__(self, num: int) -> None:
        self._pool = _processes(num)
        list(self._pool.map(_warm, range(num)))
        self._peaks: dict[int, int] = {}
        self.stages: dict[str, float] = {}

    def close(self) -> None:
        """Stop them, so that what they took is counted."""
        self._pool.shutdown()

    @property
    def peak_bytes(self) -> int:
        """Return the sum of what each process held at its most, this one included."""
        return sum(self._peaks.values()) + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def run(self, task: Callable[[Unit], int], units: Sequence[Unit]) -> Iterator[Done]:
        """Run units in their order."""
        start_s = time.monotonic()
        for unit, (rows, process, peak_bytes) in zip(units, self._pool.map(_run, units), strict=True):
            self._peaks[process] = peak_bytes
            yield Done(unit=unit, rows=rows)
        if units:
            name = units[0].stage.name
            self.stages[name] = time.monotonic() - start_s


def _warm(number: int) -> int:
    """Load what a worker needs before anything is timed."""
    return len(measure(pa.array([str(number)])).bands)


def _run(unit: Unit) -> tuple[int, int, int]:
    return run_unit(unit), os.getpid(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _processes(num: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(num, mp_context=multiprocessing.get_context("spawn"))


def _published(root: str, num: int, words: tuple[int, int]) -> Mapping[str, Artifact]:
    return publish_corpus(Path(root), num, words, (0.8, 1.0)).artifacts


def _cpu_s() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _flow(root: str, workers: Any) -> Flow:
    return Flow(root_uri=root, blobs_uri=root, executor=workers, progress=lambda *_: None)


def run() -> None:
    """Print the small version."""
    for line in bench_dedup(DedupBench()):
        print(line, flush=True)
