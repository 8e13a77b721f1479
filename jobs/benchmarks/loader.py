"""Samples per second and worker, beside plain webdataset, lhotse Shar and mosaicml-streaming; and memory over a run.

Every reader is a process of its own that stays, and they take turns: each reads the train split once a round. What
counts is its CPU time. webdataset is part of Sotto; the other peers run where `peers_python` has them.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.benchmarks import loader_own, loader_peers
from jobs.benchmarks.loader_own import tars_of, training_batches
from jobs.benchmarks.turns import one_thread, ratio
from model.data.corpus import Corpus, resolve_shards

SAMPLES = ("sotto", "webdataset", "lhotse Shar", "mosaicml-streaming")
BATCHES = ("sotto batches", "webdataset batches")
CALL = "import runpy, sys; runpy.run_path(sys.argv[1])['main'](*sys.argv[2:])"
Seconds = Mapping[str, list[float]]  # CPU time a sample, of each round


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderBench:
    """Shards of FLAC on this disk, rounds, samples over which memory is watched, and another Python with the peers."""

    shards: str
    num_rounds: int
    memory_samples: int
    peers_python: str | None


def bench_loader(settings: LoaderBench) -> Iterator[str]:
    """Yield two Markdown tables, samples read and batches made, and what memory grew by."""
    uri = resolve_shards(settings.shards)
    corpus = Corpus(uri, "train")
    hours = sum(hours for name, hours in corpus.hours().items() if name != "detect_language")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        commands = _commands(uri, tars_of(corpus), folder, settings.peers_python)
        readers = {name: stack.enter_context(_reader(command)) for name, command in commands.items()}
        num_samples = {name: _read(reader)["samples"] for name, reader in readers.items()}
        seconds: dict[str, list[float]] = {name: [] for name in readers}
        for turn in range(settings.num_rounds):
            for name in sorted(readers, reverse=bool(turn % 2)):
                found = _read(readers[name])
                seconds[name].append(found["cpu_s"] / found["samples"])
    mean_s = 3600 * hours / num_samples["sotto"]
    yield f"{num_samples['sotto']} samples of {mean_s:.1f} s on average, {settings.num_rounds} rounds, one core each"
    yield from _table([name for name in SAMPLES if name in seconds], seconds)
    yield from _table(BATCHES, seconds)
    if settings.memory_samples:
        yield _memory(uri, settings.memory_samples)


def _table(names: Sequence[str], seconds: Seconds) -> Iterator[str]:
    reference = names[1]
    yield f"| reader | samples/s | speed, {reference} = 1 |"
    yield "| --- | --- | --- |"
    for name in names:
        yield f"| {name} | {1 / statistics.median(seconds[name]):,.0f} | {ratio(seconds, name, reference):.2f} |"


def _commands(uri: str, tars: Sequence[str], folder: Path, peers_python: str | None) -> dict[str, list[str]]:
    own = [sys.executable, "-c", CALL, str(loader_own.__file__)]

    def peer(python: str, name: str) -> list[str]:
        return [python, "-c", CALL, str(loader_peers.__file__), name, str(folder / name), *tars]

    commands = {
        "sotto": [*own, "corpus", uri],
        "webdataset": peer(sys.executable, "webdataset"),
        "sotto batches": [*own, "batches", uri],
        "webdataset batches": [*own, "plain_batches", uri],
    }
    if peers_python:
        commands["lhotse Shar"] = peer(peers_python, "lhotse")
        commands["mosaicml-streaming"] = peer(peers_python, "streaming")
    return commands


@contextmanager
def _reader(command: Sequence[str]) -> Generator[subprocess.Popen[str]]:
    one_core = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=one_core) as process:
        yield process


def _read(reader: subprocess.Popen[str]) -> dict[str, Any]:
    """Let a reader read everything once; what else it prints is passed over."""
    assert reader.stdin is not None and reader.stdout is not None
    print("go", file=reader.stdin, flush=True)
    line = next((line for line in reader.stdout if line.startswith('{"samples"')), None)
    assert line is not None, f"{reader.args} ended before it answered"
    return json.loads(line)


def _memory(uri: str, num_samples: int) -> str:
    """Make batches of so many samples, and compare the peak of memory after a tenth of them with that at the end."""
    batches, _ = training_batches(uri)
    num_batches = num_samples // batches.schedule.batch_size
    early_mib = _peak_mib()
    with one_thread():
        for position in range(num_batches):
            batches[position]
            if position == num_batches // 10:
                early_mib = _peak_mib()
    return f"memory: {_peak_mib() - early_mib:.1f} MiB more at sample {num_samples:,} than at {num_samples // 10:,}"


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
