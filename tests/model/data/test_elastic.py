"""One run is one sequence of examples: whatever the ranks, the workers and the restarts, none is lost or read twice."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from model.data.augment import Augment
from model.data.batch import Batch
from model.data.corpus import Corpus, Reading
from model.data.datamodule import SottoData
from model.data.examples import Encoder, LoaderConfig
from model.data.loader import BatchLoader, Planned, Positions, Slice, TrainingBatches, shares
from model.data.mixture import Temperature
from model.tasks.base import TaskOptions
from model.tokenizer import Tokenizer
from pipeline.errors import UserError
from pipeline.takedown import Entry, Takedowns, put_in_force
from tests.model.tiny_shards import windows, write_shards

CONFIG = LoaderConfig(
    batch_size=24, pool_batches=2, num_workers=0, seed=0, audio="speech", augment=Augment(join_prob=0.3),
    tasks=TaskOptions(max_tokens=60), shards_at_once=1,
)  # fmt: skip
MIXTURE = Temperature(alpha=0.5, pooled={"detect_language": 0.1, "no_speech": 0.1})
RANKS, WORKERS = (1, 2, 3, 4, 8), (0, 1, 2, 4)
RUN = 28  # batches: each of the larger streams some thirty times over
Ledger = dict[int, list[Planned]]


@pytest.fixture(scope="module")
def shards_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("data") / "artifacts", windows())


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    ranks = {bytes([byte]): byte for byte in range(256)}
    return Encoder(tokenizer=Tokenizer(ranks, 100), n_mels=80, max_ms=1500, loss_weights=None, aligns=False)


@pytest.fixture(scope="module")
def corpus(shards_uri: str) -> Corpus:
    return Corpus(shards_uri, "train")


def batches(corpus: Corpus, encoder: Encoder, part: Slice, seed: int = 0, multiple: int = 0) -> TrainingBatches:
    config = replace(CONFIG, seed=seed, row_multiple=multiple)
    return TrainingBatches(corpus, shares(MIXTURE, corpus, config, RUN), config, encoder, part)


def by_number(planned: list[Planned]) -> list[Planned]:
    return sorted(planned, key=lambda example: example.number)


@pytest.mark.parametrize(("seed", "multiple"), [(0, 0), (1, 24)])
def test_the_sequence_is_one_for_any_number_of_ranks_and_workers(
    corpus: Corpus, encoder: Encoder, seed: int, multiple: int
) -> None:
    whole = batches(corpus, encoder, Slice(), seed, multiple)
    expected = {index: by_number(whole.plan(index)) for index in range(7)}
    for world, workers in itertools.product(RANKS, WORKERS):
        found: Ledger = {index: [] for index in expected}
        for rank in range(world):
            # Each worker holds a copy and reads every workers-th batch, as a DataLoader deals them out.
            copies = [
                batches(corpus, encoder, Slice(rank=rank, world=world), seed, multiple) for _ in range(workers or 1)
            ]
            for index in expected:
                found[index] += copies[index % len(copies)].share(index)
        assert {index: by_number(rows) for index, rows in found.items()} == expected, (world, workers)


@pytest.mark.slow
@pytest.mark.parametrize(("world", "workers"), list(itertools.product(RANKS, WORKERS)))
def test_what_real_workers_read_is_one_sequence_for_any_number_of_them(
    corpus: Corpus, encoder: Encoder, world: int, workers: int
) -> None:
    def read(part: Slice, num_workers: int) -> list[list[tuple[str, tuple[int, ...], bytes]]]:
        loader = BatchLoader(batches(corpus, encoder, part), Positions(0, 6), num_workers)
        return [
            [
                (name, tuple(tokens.tolist()), audio[:length].numpy().tobytes())
                for name, tokens, audio, length in zip(
                    batch.segment_ids, batch.tokens_BL, batch.audio_BN, batch.num_samples_B.tolist(), strict=True
                )
            ]
            for batch in loader
        ]

    def names(batch: list[tuple[str, tuple[int, ...], bytes]]) -> list[tuple[str, bytes]]:
        return sorted((name, audio) for name, _, audio in batch)

    expected = [names(batch) for batch in read(Slice(), 0)]
    ranks = [read(Slice(rank=rank, world=world), workers) for rank in range(world)]
    assert [names(sum(parts, [])) for parts in zip(*ranks, strict=True)] == expected


def data_module(uri: str, encoder: Encoder, rank: int = 0, world: int = 1, device: str = "cpu") -> SottoData:
    data = SottoData(uri, MIXTURE, CONFIG, encoder, RUN)
    data.trainer = SimpleNamespace(  # pyright: ignore[reportAttributeAccessIssue]
        global_rank=rank, world_size=world, accumulate_grad_batches=1, max_steps=RUN, global_step=0,
        strategy=SimpleNamespace(root_device=torch.device(device)),
    )  # fmt: skip
    return data


def go_on(uri: str, encoder: Encoder, state: dict | None, world: int, steps: int) -> tuple[Ledger, dict]:
    """Resume on so many ranks, take some steps, and return what was planned by step, and the state then."""
    ledger: Ledger = {}
    for rank in range(world):
        data = data_module(uri, encoder, rank, world)
        if state is not None:
            data.load_state_dict(state)
        loader = data.train_dataloader()
        positions = list(itertools.islice(iter(loader.sampler), steps))
        for position in positions:
            ledger.setdefault(position, []).extend(loader.dataset.share(position))
        data.trainer.global_step = positions[-1] + 1  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
        reached = data.state_dict()
    return ledger, reached


def test_a_run_resumed_again_and_again_on_other_ranks_uses_each_example_once(shards_uri: str, encoder: Encoder) -> None:
    through, _ = go_on(shards_uri, encoder, None, 1, RUN)
    ledger: Ledger = {}
    state = None
    for world in (4, 2, 8, 3):  # seven steps each, then another number of ranks
        first, _ = go_on(shards_uri, encoder, state, world, 5)  # lost: killed between two checkpoints
        steps, reached = go_on(shards_uri, encoder, state, world, 7)
        assert all(by_number(steps[step]) == by_number(first[step]) for step in first)
        assert not set(ledger) & set(steps)
        ledger |= steps
        state = reached
    assert {step: by_number(rows) for step, rows in ledger.items()} == {
        step: by_number(rows) for step, rows in through.items()
    }
    assert sorted(example.number for rows in ledger.values() for example in rows) == list(range(RUN * 24))


def test_every_sample_of_a_stream_is_used_as_often_as_any_other_to_within_one(
    shards_uri: str, corpus: Corpus, encoder: Encoder
) -> None:
    ledger, _ = go_on(shards_uri, encoder, None, 3, RUN)
    for stream in corpus.pools:
        rows = [example for planned in ledger.values() for example in planned if example.stream == stream]
        counts = Counter(example.places[0] for example in rows)
        assert set(counts) == set(range(corpus.size(stream))) and max(counts.values()) - min(counts.values()) <= 1


def test_any_position_is_reached_at_once(corpus: Corpus, encoder: Encoder) -> None:
    far = batches(corpus, encoder, Slice(rank=5, world=8)).share(10**12)
    assert len(far) == 3 and all(24 * (10**12 - 2) <= example.number < 24 * (10**12 + 2) for example in far)


def test_a_take_down_in_the_middle_of_a_run_moves_no_example_and_counts_in_a_new_run(
    tmp_path: Path, encoder: Encoder
) -> None:
    uri = write_shards(tmp_path / "artifacts", windows())
    through, _ = go_on(uri, encoder, None, 1, RUN)
    ledger, state = go_on(uri, encoder, None, 2, 14)
    gone = tuple(Entry("url", f"http://tones.test/transcribe/sw/{number}.flac") for number in (1, 2, 3, 4))
    put_in_force(str(tmp_path), Takedowns(gone))
    rest, _ = go_on(uri, encoder, state, 4, RUN - 14)
    assert {step: by_number(rows) for step, rows in (ledger | rest).items()} == {
        step: by_number(rows) for step, rows in through.items()
    }
    anew, _ = go_on(uri, encoder, None, 1, RUN)
    before, after = (
        Counter(example.stream for rows in planned.values() for example in rows) for planned in (through, anew)
    )
    assert after["transcribe-sw"] < before["transcribe-sw"]
    assert Corpus(uri, "train").hours()["transcribe-sw"] == pytest.approx(0.3 / 3600)


def test_a_checkpoint_of_another_mixture_is_refused(shards_uri: str, encoder: Encoder) -> None:
    _, state = go_on(shards_uri, encoder, None, 1, 1)
    other = SottoData(shards_uri, Temperature(alpha=0.0, pooled={}), CONFIG, encoder, RUN)
    with pytest.raises(UserError, match=r"trained in another order: \['mixture'\] changed"):
        other.load_state_dict(state)


@pytest.mark.parametrize(("device", "pinned"), [("cpu", False), ("cuda", True)])
def test_batches_are_pinned_where_there_is_a_gpu(shards_uri: str, encoder: Encoder, device: str, pinned: bool) -> None:
    assert data_module(shards_uri, encoder, device=device).train_dataloader().pin_memory is pinned


def test_a_remote_corpus_is_fetched_ahead_of_its_readers_and_read_by_workers(
    bucket: str, tmp_path: Path, encoder: Encoder
) -> None:
    samples = windows([("transcribe", "en")], each=8)
    uri = write_shards(bucket, samples, ("train",), per_shard=1)
    local = Corpus(write_shards(tmp_path / "artifacts", samples, ("train",), per_shard=1), "train")
    config = replace(CONFIG, batch_size=2, pool_batches=1, shards_at_once=2, augment=Augment())
    read, remote = (
        TrainingBatches(corpus, {0: {"transcribe-en": 1.0}}, config, encoder, Slice())
        for corpus in (local, Corpus(uri, "train", Reading(cache_folder=str(tmp_path / "cache"))))
    )
    in_order = [local.pools["transcribe-en"].at(row.places[0])[0].sha256 for at in (0, 1) for row in read.share(at)]
    assert same_sound(remote[0], read[0])
    deadline_s = time.monotonic() + 20
    while len(copies := {path.name for path in (tmp_path / "cache").glob("?" * 64)}) < 4:
        assert time.monotonic() < deadline_s, "the shards to come were not fetched"
        time.sleep(0.01)
    assert copies == set(in_order)  # two that are read and two that come next; four that come later are not here
    found = list(BatchLoader(remote, Positions(0, 4), 2))
    assert all(same_sound(batch, read[position]) for position, batch in enumerate(found)) and len(found) == 4


def same_sound(one: Batch, other: Batch) -> bool:
    return one.segment_ids == other.segment_ids and torch.equal(one.audio_BN, other.audio_BN)


READING = """
import os, sys
from tests.model.data.test_elastic import *
corpus = Corpus(sys.argv[1], "train")
ranks = {bytes([byte]): byte for byte in range(256)}
encoder = Encoder(tokenizer=Tokenizer(ranks, 100), n_mels=80, max_ms=1500, loss_weights=None)
kept = []
for batch in BatchLoader(batches(corpus, encoder, Slice()), Positions(0, 10**6), 2):
    kept = [*kept, batch][-8:]
    print("read", *open(f"/proc/self/task/{os.getpid()}/children").read().split(), flush=True)
"""


@pytest.mark.slow
def test_no_shared_memory_is_left_behind_by_readers_that_are_killed(shards_uri: str) -> None:
    command = [sys.executable, "-c", READING, shards_uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stdout is not None
        workers = [run.stdout.readline().split()[1:] for _ in range(20)][-1]
        os.killpg(run.pid, signal.SIGKILL)
    assert len(workers) >= 2
    pids = {str(run.pid), *workers}
    assert [name for name in os.listdir("/dev/shm") if name.startswith("torch_") and name.split("_")[1] in pids] == []
