"""How fast recordings are annotated, against a straightforward script.

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
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile as sf  # pyright: ignore[reportMissingTypeStubs]
import soxr  # pyright: ignore[reportMissingTypeStubs]
from hydra import compose

from jobs.benchmarks.labelled_set import SetOptions, spoken_set
from jobs.benchmarks.spoiling import Recording
from jobs.command.config import instantiate
from jobs.ingesting.filtering import recording_table, run_stage
from jobs.ingesting.wiring import build_checks
from pipeline import store
from pipeline.annotate.recordings import by_recording
from pipeline.annotate.stage import Annotate, annotate_stage
from pipeline.audio import SAMPLE_RATE, SAMPLES_PER_MS, Samples, decode_bytes
from pipeline.segment.stage import segment_stage
from pipeline.stage import Stage

MAX_MS = 3_600_000
FORMATS = ("mp3", "ogg", "flac")  # what soundfile reads too
PROFILE_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotateBench:
    """Recordings of each language, how many are joined into one, rounds of both."""

    num_per_language: int
    num_joined: int
    num_rounds: int


def run(options: AnnotateBench) -> Iterator[str]:
    """Yield the figures as lines."""
    cfg = compose("ingest")
    annotators, _ = build_checks(cfg)
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
