"""A whole large corpus through all stages of dedup, once more when it has grown, and its join beside other engines'.

The join is from the bands of all documents, in memory, to the distinct pairs that share one. polars and duckdb are
measured where they are installed; every engine has a process of its own, and all must find as many pairs.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.benchmarks.dedup_corpus import CONFIG, DOCS_PER_PART, publish_corpus
from jobs.benchmarks.workers import Workers, cpu_s, flow, peak_bytes, processes
from pipeline import artifact
from pipeline.artifact import Artifact
from pipeline.dedup.link import gather
from pipeline.dedup.pairs import Pair
from pipeline.dedup.stage import dedup_stages
from pipeline.dedup.tables import MINHASH
from pipeline.stage import PART, Context

GROWTH = 10  # a corpus grows by one part in so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How many documents of how many words, for how many processes; how often the engines take turns at a join."""

    sizes: Sequence[int]
    num_words: int
    num_workers: int
    join_rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What something took, and how many pairs it found."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    num_pairs: int = 0


def scale_lines(scale: Scale) -> Iterator[str]:
    """Yield a Markdown table, a line at a time, the sizes in their order."""
    yield ""
    yield (
        f"| {scale.num_words} words a document, {scale.num_workers} processes | documents | wall s | CPU s | peak GB "
        "| us of CPU a document |"
    )
    yield "|---|---|---|---|---|---|"
    for num in scale.sizes:
        with tempfile.TemporaryDirectory() as root:
            yield from _corpus_lines(root, num, scale)


def _corpus_lines(root: str, num: int, scale: Scale) -> Iterator[str]:
    workers, cost, made = _deduplicated(root, num, scale)
    yield _line("sotto, all stages", num, cost)
    for name, seconds in workers.stages.items():
        yield f"| . {name} | | {seconds:.1f} | | | |"
    grown = num + max(1, num // DOCS_PER_PART // GROWTH) * DOCS_PER_PART
    yield _line("sotto, once more, grown to", grown, _deduplicated(root, grown, scale)[1])
    costs = _joins(made["bucket"], scale.join_rounds)
    for name, found in costs.items():
        yield _line(f"{name}, join of the bands alone, in memory", num, _middle(found))
    numbers = {cost.num_pairs for found in costs.values() for cost in found}
    assert len(numbers) == 1, f"the engines found {numbers} pairs"


def _deduplicated(root: str, num: int, scale: Scale) -> tuple[Workers, Cost, Mapping[str, Artifact]]:
    words = (scale.num_words * 4 // 5, scale.num_words * 6 // 5)
    with processes(1) as pool:  # whose memory is its own
        corpus = pool.submit(_published, root, num, words).result()
    workers = Workers(scale.num_workers)
    start_s, start_cpu_s = time.monotonic(), cpu_s()
    made = flow(root, workers).run(dedup_stages(CONFIG), corpus)
    wall_s = time.monotonic() - start_s
    workers.close()
    return workers, Cost(wall_s=wall_s, cpu_s=cpu_s() - start_cpu_s, peak_bytes=workers.peak_bytes), made


def _published(root: str, num: int, words: tuple[int, int]) -> Mapping[str, Artifact]:
    return publish_corpus(Path(root), num, words, (0.8, 1.0)).artifacts


def _line(name: str, num: int, cost: Cost) -> str:
    return (
        f"| {name} | {num:,} | {cost.wall_s:.1f} | {cost.cpu_s:.1f} | {cost.peak_bytes / 1e9:.2f} "
        f"| {cost.cpu_s / num * 1e6:.1f} |"
    )


def _middle(costs: Sequence[Cost]) -> Cost:
    return Cost(
        wall_s=statistics.median(cost.wall_s for cost in costs),
        cpu_s=statistics.median(cost.cpu_s for cost in costs),
        peak_bytes=max(cost.peak_bytes for cost in costs),
    )


def _joins(bucket: Artifact, rounds: int) -> Mapping[str, list[Cost]]:
    """Let the engines take turns, each in a process of its own."""
    names = [name for name in _ENGINES if name == "sotto" or importlib.util.find_spec(name)]
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in sorted(names, reverse=bool(turn % 2)):
            with processes(1) as pool:
                costs[name].append(pool.submit(_measured, name, bucket).result())
    return costs


def _measured(name: str, bucket: Artifact) -> Cost:
    """Read the bands, a table for each partition, and join them, after a small part of them that does not count."""
    join, columns = _ENGINES[name]
    every = [_bands(bucket, group).select(columns) for group in range(CONFIG.partitions)]
    join([every[0].slice(0, 1000)])
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    num_pairs = join(every)
    return Cost(
        wall_s=time.monotonic() - start_s,
        cpu_s=time.process_time() - start_cpu_s,
        peak_bytes=peak_bytes(),
        num_pairs=num_pairs,
    )


def _bands(bucket: Artifact, group: int) -> pa.Table:
    parts = [artifact.read_part(bucket, number, group=group) for number in range(artifact.num_parts(bucket))]
    every = pa.concat_tables(
        part.append_column(PART, pa.repeat(pa.scalar(number, pa.int32()), part.num_rows))
        for number, part in enumerate(parts)
    )
    bands = every.filter(pc.equal(every["method"], MINHASH))
    documents = bands[PART].to_numpy() * np.uint32(DOCS_PER_PART) + bands["row"].to_numpy()
    return bands.append_column("doc", pa.array(documents.astype(np.uint32)))


def _sotto(bands: Sequence[pa.Table]) -> int:
    context = Context(blobs_uri="", output_uris={}, input_fingerprints={})
    pairs = (Pair()({"bucket": table}, context)["pair"][0] for table in bands)
    return len(gather(pairs)[0][0])


def _polars(bands: Sequence[pa.Table]) -> int:
    polars: Any = importlib.import_module("polars")
    frame = polars.from_arrow(pa.concat_tables(bands)).lazy()
    met = frame.filter(polars.col("key").is_duplicated())
    joined = met.join(met, on="key").filter(polars.col("doc") < polars.col("doc_right"))
    return joined.select("doc", "doc_right").unique().collect().height


def _duckdb(bands: Sequence[pa.Table]) -> int:
    duckdb: Any = importlib.import_module("duckdb")
    connection = duckdb.connect(config={"threads": len(os.sched_getaffinity(0))})
    connection.register("bands", pa.concat_tables(bands))
    pairs = "select distinct a.doc, b.doc from bands a join bands b on a.key = b.key and a.doc < b.doc"
    return connection.execute(f"select count(*) from ({pairs})").fetchone()[0]


_ENGINES: Mapping[str, tuple[Callable[[Sequence[pa.Table]], int], list[str]]] = {
    "sotto": (_sotto, ["key", "method", "row", "order", PART]),
    "polars": (_polars, ["key", "doc"]),
    "duckdb": (_duckdb, ["key", "doc"]),
}
