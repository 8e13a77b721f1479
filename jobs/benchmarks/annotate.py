"""How fast recordings are annotated, against a straightforward script, and how fast decisions are taken again.

The script does what people write first: soundfile and silero's ONNX model over each recording, langid over each window,
level and counts window by window. It measures a part of what the annotators do.
"""

from __future__ import annotations

import cProfile
import io
import pstats
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile as sf  # pyright: ignore[reportMissingTypeStubs]
import soxr  # pyright: ignore[reportMissingTypeStubs]
from hydra import compose

from jobs.benchmarks.labelled_set import SetOptions, spoken_set
from jobs.benchmarks.spoiling import Recording
from jobs.config import instantiate
from jobs.filtering import recording_table, run_stage
from jobs.wiring import build_checks
from pipeline import schema, store, tables
from pipeline.annotate.recordings import by_recording
from pipeline.annotate.stage import Annotate, annotate_stage
from pipeline.audio import SAMPLE_RATE, SAMPLES_PER_MS, Samples, decode_bytes
from pipeline.decide.stage import decide_stage
from pipeline.segment.stage import segment_stage
from pipeline.stage import Context, Stage

MAX_MS = 3_600_000
FORMATS = ("mp3", "ogg", "flac")  # what soundfile reads too
PROFILE_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotateBench:
    """Recordings of each language, how many are joined into one, rounds of both, and segments to decide on."""

    num_per_language: int
    num_joined: int
    num_rounds: int
    num_segments: int
    segments_per_part: int
    num_processes: int


def run(options: AnnotateBench) -> Iterator[str]:
    """Yield the figures as lines."""
    cfg = compose("ingest")
    annotators, checks = build_checks(cfg)
    recordings = _long_recordings(options)
    hours = sum(recording.duration_ms for recording in recordings) / 3_600_000
    with tempfile.TemporaryDirectory() as blobs:
        found = {"recording": recording_table(recordings, blobs)}
        found |= run_stage(segment_stage(instantiate(cfg.segment)), found, blobs)
        stage = _in_this_process(annotate_stage(annotators))
        run_stage(stage, found, blobs)  # models are loaded before the clock starts
        _script(found, blobs)
        ours, script = list[float](), list[float]()
        for _ in range(options.num_rounds):
            ours.append(_seconds(lambda: run_stage(stage, found, blobs)))
            script.append(_seconds(lambda: _script(found, blobs)))
        yield f"{len(recordings)} recordings, {hours:.2f} h, {len(annotators)} annotators; CPU time, all in one process"
        for name, seconds in (("annotate", ours), ("script", script)):
            yield f"{name:<10}{hours * 3600 / float(np.median(seconds)):>8.0f} times real time"
        yield f"annotate is {float(np.median(script)) / float(np.median(ours)):.2f} times as fast"
        yield from _profile(stage, found, blobs)
    yield from _decide_again(decide_stage(instantiate(cfg.decide), checks), options)


def _long_recordings(options: AnnotateBench) -> list[Recording]:
    """Join recordings of a language, so that a file is as long as files are."""
    spoken = sorted(
        spoken_set(SetOptions(seed=3, num_clean=options.num_per_language)), key=lambda one: one.claimed_lang
    )
    size = options.num_joined
    groups = [spoken[at : at + size] for at in range(0, len(spoken), size)]
    return [replace(_joined(group), audio_format=FORMATS[at % len(FORMATS)]) for at, group in enumerate(groups)]


def _joined(group: Sequence[Recording]) -> Recording:
    starts_ms = np.cumsum([0, *(one.duration_ms for one in group[:-1])]).tolist()
    cues = [
        replace(cue, start_ms=cue.start_ms + start_ms, end_ms=cue.end_ms + start_ms)
        for one, start_ms in zip(group, starts_ms, strict=True)
        for cue in one.cues
    ]
    samples = np.concatenate([one.samples[: one.duration_ms * SAMPLES_PER_MS] for one in group])
    return replace(group[0], samples=samples, cues=tuple(cues))


def _in_this_process(stage: Stage) -> Stage:
    """Decode without the child that keeps hostile files away, so that all CPU time is this process's."""
    assert isinstance(stage.run, Annotate)
    return replace(stage, run=replace(stage.run, decode=partial(decode_bytes, max_duration_ms=MAX_MS)))


def _seconds(work: Any) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _script(found: Mapping[str, pa.Table], blobs: str) -> list[tuple[Any, ...]]:
    """Measure as a straightforward script would."""
    import langid
    import torch
    from silero_vad import get_speech_timestamps

    model = _onnx_vad()
    sha256 = {row["recording_id"]: row["sha256"] for row in found["recording"].to_pylist()}
    measured: list[tuple[Any, ...]] = []
    for recording_id, segments in by_recording(found["segment"]):
        audio = _read(store.read_bytes(store.blob_uri(blobs, sha256[recording_id])))
        speech = get_speech_timestamps(torch.from_numpy(audio), model)
        for row in segments.to_pylist():
            own = audio[row["start_ms"] * SAMPLES_PER_MS : row["end_ms"] * SAMPLES_PER_MS]
            words = (row["text"] or "").split()
            level = float(np.sqrt(np.mean(own**2))) if len(own) else 0.0
            measured.append((len(speech), level, langid.classify(row["text"] or ""), len(words)))
    return measured


def _read(data: bytes) -> Samples:
    samples, rate = sf.read(io.BytesIO(data), dtype="float32")  # pyright: ignore[reportUnknownMemberType]
    mono = samples.mean(axis=1) if samples.ndim > 1 else samples
    return np.asarray(soxr.resample(mono, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else mono, dtype=np.float32)


def _onnx_vad() -> Any:
    from silero_vad import load_silero_vad

    return load_silero_vad(onnx=True)


def _profile(stage: Stage, found: Mapping[str, pa.Table], blobs: str) -> Iterator[str]:
    """Yield the functions in which annotating spends its time."""
    profiler = cProfile.Profile()
    profiler.runcall(run_stage, stage, found, blobs)
    sink = io.StringIO()
    pstats.Stats(profiler, stream=sink).sort_stats("tottime").print_stats(PROFILE_LINES)
    yield from (line for line in sink.getvalue().splitlines() if line.strip())


def _decide_again(stage: Stage, options: AnnotateBench) -> Iterator[str]:
    """Read, judge and write so many synthetic segments, part by part, in so many processes."""
    num_parts = -(-options.num_segments // options.segments_per_part)
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
    yield (
        f"decide again: {num_parts * options.segments_per_part:,} segments in {seconds:.1f} s on "
        f"{options.num_processes} processes, {sum(cpu_s):.1f} CPU seconds, {max(peaks_mb):.0f} MB at most in one"
    )


def _decide_part(stage: Stage, folder: str, number: int) -> tuple[float, float]:
    """Decide on one part; returns its CPU seconds, and the process's peak memory in MB."""
    import resource

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
