"""How fast decisions are taken again on synthetic segments: parts are read, judged and written, one after the other."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
from hydra import compose

from jobs.command.config import instantiate
from jobs.ingesting.wiring import build_checks
from pipeline import schema, tables
from pipeline.decide.stage import decide_stage
from pipeline.stage import Context, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideBench:
    """Segments to decide on, how many lie in a part, and processes that take parts."""

    num_segments: int
    segments_per_part: int
    num_processes: int


def run(options: DecideBench) -> Iterator[str]:
    """Yield the figures as lines: for a tenth of the segments, and for all, so that memory can be compared."""
    cfg = compose("ingest")
    stage = decide_stage(instantiate(cfg.decide), build_checks(cfg)[1])
    for num_segments in (options.num_segments // 10, options.num_segments):
        yield _decide_again(stage, num_segments, options)


def _decide_again(stage: Stage, num_segments: int, options: DecideBench) -> str:
    num_parts = -(-num_segments // options.segments_per_part)
    with tempfile.TemporaryDirectory() as folder:
        for name, columns in stage.reads.items():
            table = _synthetic(schema.TABLES[name], options.segments_per_part)
            chosen = table.select(columns) if columns else table
            (Path(folder) / f"{name}.parquet").write_bytes(tables.to_parquet(chosen))
        start = time.perf_counter()
        with ProcessPoolExecutor(options.num_processes, mp_context=get_context("spawn")) as pool:
            done = list(pool.map(_decide_part, [stage] * num_parts, [folder] * num_parts, range(num_parts)))
    seconds = time.perf_counter() - start
    cpu_s, peaks_mb = zip(*done, strict=True)
    return (
        f"decide again: {num_parts * options.segments_per_part:,} segments in {seconds:.1f} s on "
        f"{options.num_processes} processes, {sum(cpu_s):.1f} CPU seconds, {max(peaks_mb):.0f} MB at most in one"
    )


def _decide_part(stage: Stage, folder: str, number: int) -> tuple[float, float]:
    """Decide on one part; returns its CPU seconds, and the process's peak memory in MB."""
    start = time.process_time()
    inputs = {name: tables.read(f"{folder}/{name}.parquet") for name in stage.reads}
    context = Context(blobs_uri="", output_uris={"decision": ""}, input_fingerprints={})
    [decision] = stage.run(inputs, context)["decision"]
    Path(folder, f"decision-{number}.parquet").write_bytes(tables.to_parquet(tables.conform(decision, schema.DECISION)))
    return time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _synthetic(columns: pa.Schema, num_rows: int) -> pa.Table:
    """Fill a table with numbers at random and words from a few."""
    rng = np.random.default_rng(0)
    return pa.table({item.name: _column(item, num_rows, rng) for item in columns}, schema=columns)


def _column(item: pa.Field, num_rows: int, rng: np.random.Generator) -> pa.Array:
    ids = {"segment_id": 1, "recording_id": 40}
    if item.name in ids:
        return pa.array([f"{row // ids[item.name]:012d}" for row in range(num_rows)])
    if pa.types.is_boolean(item.type):
        return pa.array(rng.random(num_rows) < 0.95)
    if pa.types.is_floating(item.type):
        return pa.array(rng.random(num_rows), item.type)
    if pa.types.is_integer(item.type):
        return pa.array(rng.integers(0, 30_000, num_rows), item.type)
    if pa.types.is_string(item.type) and item.name not in ("entry", "eval_set", "declared_split"):
        return pa.array(np.array(["en", "sw", "am", None], dtype=object)[rng.integers(0, 4, num_rows)], item.type)
    if pa.types.is_list(item.type):
        return pa.array([[]] * num_rows, item.type)
    return pa.nulls(num_rows, item.type)
