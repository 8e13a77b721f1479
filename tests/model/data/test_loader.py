from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model.data.augment import Augment
from model.data.batch import Batch
from model.data.corpus import Corpus
from model.data.examples import Encoder, HeldOutBatches, LoaderConfig
from model.data.loader import BatchLoader, Planned, Positions, Slice, TrainingBatches, even_batches, shares
from model.data.mixture import LossWeights, Temperature
from model.tasks.base import TaskOptions
from model.tokenizer import Tokenizer
from model.training.meter import stream_names
from pipeline.errors import DataError, UserError
from tests.model.tiny_shards import windows, write_shards

LOUD = Augment(
    join_prob=0.5,
    speed=0.1,
    gain_db=6.0,
    noise_prob=0.5,
    reverb_prob=0.3,
    freq_masks=2,
    max_freq_mask=20,
    time_masks=2,
    max_time_mask=9,
)
CONFIG = LoaderConfig(
    batch_size=8, pool_batches=2, num_workers=0, seed=7, audio="speech", augment=LOUD, tasks=TaskOptions(max_tokens=60)
)
MIXTURE = Temperature(alpha=0.5, pooled={"detect_language": 0.1, "no_speech": 0.1})
RUN = 20  # batches
WEIGHTS = LossWeights(
    language={"en": 1.0, "sw": 3.0, "und": 1.0},
    task={"transcribe": 1.0, "translate": 1.5, "detect_language": 2.0, "no_speech": 1.0},
)


@pytest.fixture(scope="module")
def shards_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows())


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    ranks = {bytes([byte]): byte for byte in range(256)}
    return Encoder(tokenizer=Tokenizer(ranks, 100), n_mels=80, max_ms=1500, loss_weights=WEIGHTS)


def batches(uri: str, encoder: Encoder, config: LoaderConfig = CONFIG, part: Slice | None = None) -> TrainingBatches:
    corpus = Corpus(uri, "train")
    return TrainingBatches(corpus, shares(MIXTURE, corpus, config, RUN), config, encoder, part or Slice())


def rows(batch: Batch) -> list[tuple[bytes, tuple[int, ...], float]]:
    """Describe each row without its padding, so that batches of other sizes compare."""
    return [
        (
            audio[:length].numpy().tobytes(),
            tuple(tokens[: int(mask.nonzero().max()) + 1].tolist()),
            float(weight),
        )
        for audio, length, tokens, mask, weight in zip(
            batch.audio_BN,
            batch.num_samples_B.tolist(),
            batch.tokens_BL,
            batch.loss_mask_BL,
            batch.weights_B,
            strict=True,
        )
    ]


def same(first: Batch, second: Batch) -> bool:
    return all(
        torch.equal(value, getattr(second, name)) if isinstance(value, Tensor) else value == getattr(second, name)
        for name, value in ((name, getattr(first, name)) for name in first.__dataclass_fields__)
    )


def test_order_and_content_do_not_depend_on_workers(shards_uri: str, encoder: Encoder) -> None:
    read = {workers: list(BatchLoader(batches(shards_uri, encoder), Positions(0, 4), workers)) for workers in (0, 1, 2)}
    assert all(same(one, other) for workers in (1, 2) for one, other in zip(read[0], read[workers], strict=True))


@pytest.mark.parametrize(("world", "accumulate"), [(1, 2), (2, 1), (4, 1), (2, 4), (8, 1)])
def test_ranks_and_accumulation_share_the_same_global_batches(
    shards_uri: str, encoder: Encoder, world: int, accumulate: int
) -> None:
    whole = batches(shards_uri, encoder)
    for index in (0, 1, 5):
        parts = [
            batches(shards_uri, encoder, part=Slice(rank=rank, world=world, accumulate=accumulate))[
                index * accumulate + turn
            ]
            for rank in range(world)
            for turn in range(accumulate)
        ]
        assert {len(part.tasks) for part in parts} == {8 // (world * accumulate)}
        assert sorted(row for part in parts for row in rows(part)) == sorted(rows(whole[index]))


def test_resuming_at_a_position_gives_what_would_have_come(shards_uri: str, encoder: Encoder) -> None:
    through = list(BatchLoader(batches(shards_uri, encoder), Positions(0, 7), 0))
    resumed = list(BatchLoader(batches(shards_uri, encoder), Positions(3, 7), 0))
    assert len(resumed) == 4
    assert all(same(one, other) for one, other in zip(through[3:], resumed, strict=True))


def test_another_seed_is_another_order(shards_uri: str, encoder: Encoder) -> None:
    first, second = batches(shards_uri, encoder), batches(shards_uri, encoder, replace(CONFIG, seed=8))
    assert rows(first[0]) != rows(second[0])


def test_each_epoch_of_a_stream_uses_every_sample_once_in_another_order(shards_uri: str, encoder: Encoder) -> None:
    plain = replace(CONFIG, augment=Augment(), pool_batches=1)
    made = batches(shards_uri, encoder, plain)
    drawn = [example.places[0] for index in range(40) for example in made.plan(index) if example.stream == "no_speech"]
    epochs = [tuple(sorted(drawn[start : start + 5])) for start in range(0, 30, 5)]
    assert len(drawn) >= 30 and set(epochs) == {(0, 1, 2, 3, 4)}
    assert len({tuple(drawn[start : start + 5]) for start in range(0, 30, 5)}) > 1
    assert made.epochs(40)["no_speech"] == pytest.approx(40 * 8 * 0.1 / 5)


def test_pools_put_like_lengths_together_and_lose_nothing(shards_uri: str, encoder: Encoder) -> None:
    plain = replace(CONFIG, augment=Augment())
    pooled, apart = (batches(shards_uri, encoder, replace(plain, pool_batches=count)) for count in (4, 1))
    numbers = [[example.number for example in pooled.plan(index)] for index in range(4)]
    assert sorted(sum(numbers, [])) == list(range(32))
    spread = [np.ptp([example.duration_ms for example in made.plan(0)]) for made in (pooled, apart)]
    assert spread[0] < spread[1]
    counts = Counter(example.stream for index in range(4) for example in pooled.plan(index))
    assert counts == Counter(example.stream for index in range(4) for example in apart.plan(index))


def planned(lengths_s: Iterable[float]) -> list[Planned]:
    return [
        Planned(number=number, stream="s", places=(0,), duration_ms=int(length * 1000))
        for number, length in enumerate(lengths_s)
    ]


def dearest(dealt: Sequence[Sequence[Planned]]) -> int:
    return max(len(batch) * batch[-1].duration_ms for batch in dealt)


def test_even_batches_are_cheaper_than_equal_ones_and_lose_nothing() -> None:
    row_list = planned(sorted(np.random.default_rng(0).uniform(1, 30, size=512)))
    dealt = even_batches(row_list, 16, 4)
    assert [row for batch in dealt for row in batch] == row_list
    assert len(dealt) == 16 and all(batch and len(batch) % 4 == 0 for batch in dealt)
    assert len(dealt[0]) > 2 * len(dealt[-1])
    assert dearest(dealt) < 0.75 * dearest([row_list[start : start + 32] for start in range(0, 512, 32)])


def test_even_batches_are_part_of_the_same_order(shards_uri: str, encoder: Encoder) -> None:
    config = replace(CONFIG, augment=Augment(), pool_batches=8)
    even, equal = (batches(shards_uri, encoder, replace(config, row_multiple=count)) for count in (2, 0))
    drawn = [sorted(row.number for index in range(8) for row in made.plan(index)) for made in (even, equal)]
    assert drawn[0] == drawn[1] == list(range(64))
    halves = [
        batches(shards_uri, encoder, replace(config, row_multiple=2), Slice(rank=rank, world=2)) for rank in (0, 1)
    ]
    for index in range(8):
        assert sorted(rows(halves[0][index]) + rows(halves[1][index])) == sorted(rows(even[index]))


@pytest.mark.parametrize(("lengths", "expected"), [((1, 1, 1, 30), (3, 1)), ((5, 5, 5, 5), (2, 2)), ((1, 2), (1, 1))])
def test_even_batches_are_the_cheapest_cut(lengths: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert tuple(len(batch) for batch in even_batches(planned(lengths), 2, 1)) == expected


def test_rows_that_cannot_be_dealt_evenly_are_an_error(shards_uri: str, encoder: Encoder) -> None:
    with pytest.raises(UserError, match="row_multiple 3 cannot deal pools"):
        replace(CONFIG, row_multiple=3)
    config = replace(CONFIG, pool_batches=2, row_multiple=4)
    with pytest.raises(UserError, match="row_multiple 4 does not divide into 8 ranks"):
        batches(shards_uri, encoder, config, Slice(world=8))


def test_a_stream_is_not_repeated_more_often_than_allowed(shards_uri: str, encoder: Encoder) -> None:
    config = replace(CONFIG, augment=Augment())
    free = batches(shards_uri, encoder, config).epochs(RUN)
    limit = 0.8 * max(free.values())
    held = batches(shards_uri, encoder, replace(config, max_epochs=limit)).epochs(RUN)
    assert max(held.values()) <= limit * 1.02 < max(free.values())


@pytest.mark.parametrize("max_epochs", [None, 6.0])
def test_machines_speak_no_more_than_their_share_also_where_people_would_repeat(
    tmp_path: Path, encoder: Encoder, max_epochs: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    machines = windows((("transcribe", "sw"),), each=15) + windows((("translate", "sw"),), each=1)
    spoken = [replace(sample, is_synthetic=True) for sample in machines]
    people = windows((("transcribe", "en"),), each=20) + windows((("transcribe", "sw"),), each=2)
    corpus = Corpus(write_shards(tmp_path, people + spoken, splits=("train",)), "train")
    config = replace(CONFIG, max_epochs=max_epochs, max_synthetic_share=0.25)
    [found] = shares(Temperature(alpha=1.0, pooled={"detect_language": 0.1}), corpus, config, 10).values()
    assert found["transcribe-sw-synthetic"] == pytest.approx(found["transcribe-sw"] / 3)
    assert found["translate-sw-synthetic"] == 0.0 and "beside ['translate-sw-synthetic']" in caplog.text
    assert corpus.size("detect_language") == 22  # people's


def test_a_batch_says_which_of_its_rows_machines_spoke(tmp_path: Path, encoder: Encoder) -> None:
    people = windows((("transcribe", "sw"),))
    spoken = [replace(sample, is_synthetic=True) for sample in people]
    corpus = Corpus(write_shards(tmp_path, people + spoken, splits=("train",)), "train")
    weights = {0: {"transcribe-sw": 0.75, "transcribe-sw-synthetic": 0.25}}
    batch = TrainingBatches(corpus, weights, replace(CONFIG, batch_size=4), encoder, Slice())[0]
    assert [name for name in batch.segment_ids if "synthetic" in name] == [
        name for name, is_synthetic in zip(batch.segment_ids, batch.are_synthetic, strict=True) if is_synthetic
    ]
    assert Counter(stream_names(batch)) == {"transcribe-sw": 3, "transcribe-sw-synthetic": 1}


def test_silence_keeps_everything_but_the_sound(shards_uri: str, encoder: Encoder) -> None:
    heard = batches(shards_uri, encoder)[2]
    deaf = batches(shards_uri, encoder, replace(CONFIG, audio="silence"))[2]
    assert heard.audio_BN.abs().max() > 0.1 and deaf.audio_BN.abs().max() == 0.0
    assert same(replace(heard, audio_BN=deaf.audio_BN), deaf)


def test_an_unknown_audio_mode_is_an_error() -> None:
    with pytest.raises(UserError, match="loader.audio 'noise' does not exist"):
        replace(CONFIG, audio="noise")


def test_a_batch_that_does_not_divide_is_an_error(shards_uri: str, encoder: Encoder) -> None:
    with pytest.raises(UserError, match="batch_size 8 does not divide into 3 ranks x 1"):
        batches(shards_uri, encoder, part=Slice(world=3))


def test_rows_are_weighted_by_language_and_task(shards_uri: str, encoder: Encoder) -> None:
    batch = batches(shards_uri, encoder)[0]
    assert batch.weights_B.tolist() == [WEIGHTS.of(*pair) for pair in zip(batch.tasks, batch.langs, strict=True)]


def test_what_cannot_serve_a_task_is_passed_over_and_counted(tmp_path: Path, encoder: Encoder) -> None:
    samples = windows([("transcribe", "en")], each=4)
    samples[1] = replace(samples[1], text="far too long " * 20)
    samples[2] = replace(samples[2], tasks=["transcribe"])
    uri = write_shards(tmp_path, samples)
    made = [batches(uri, encoder, replace(CONFIG, augment=Augment()))[index] for index in range(4)]
    assert sum(batch.num_skipped for batch in made) > 0
    texts = {(task, text) for batch in made for task, text in zip(batch.tasks, batch.texts, strict=True)}
    assert texts <= {("transcribe", text) for text in ("one", "three", "four")} | {
        ("detect_language", text) for text in ("one", "four")
    }


def test_a_stream_in_which_nothing_can_serve_is_an_error(tmp_path: Path, encoder: Encoder) -> None:
    samples = [replace(sample, tasks=["transcribe"]) for sample in windows([("transcribe", "en")])]
    made = batches(write_shards(tmp_path, samples), encoder)
    with pytest.raises(DataError, match="'detect_language' has no sample that can serve detect_language"):
        [made[index] for index in range(4)]


def test_windows_longer_than_the_model_hears_serve_nothing(shards_uri: str, encoder: Encoder) -> None:
    deaf = replace(encoder, max_ms=20)
    with pytest.raises(DataError, match="has no sample that can serve"):
        batches(shards_uri, deaf, replace(CONFIG, augment=Augment()))[0]


def test_held_out_batches_hold_every_sample_of_every_stream_once_and_unchanged(
    shards_uri: str, encoder: Encoder
) -> None:
    corpus = Corpus(shards_uri, "validation")
    held_out = HeldOutBatches(corpus, CONFIG, encoder)
    made = [held_out[index] for index in range(len(held_out))]
    counts = Counter(task for batch in made for task in batch.tasks)
    assert counts == {"transcribe": 10, "translate": 5, "detect_language": 10, "no_speech": 5}
    assert all(batch.freq_masks_BM2.numel() == 0 for batch in made)
    assert sum(len(set(batch.num_samples_B.tolist())) for batch in made) < 20  # by length
