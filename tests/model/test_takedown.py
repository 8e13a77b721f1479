"""What was taken down is never returned, and a run is otherwise what it was."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from model.data.augment import Augment
from model.data.corpus import Corpus
from model.data.examples import Encoder, HeldOutBatches, LoaderConfig
from model.data.loader import Planned, Slice, TrainingBatches, shares
from model.data.mixture import LossWeights, Temperature
from model.tasks.base import TaskOptions
from model.tokenizer import Tokenizer
from pipeline.takedown import Takedowns, parse, put_in_force
from tests.model.tiny_shards import Window, windows, write_shards

CONFIG = LoaderConfig(
    batch_size=8, pool_batches=2, num_workers=0, seed=7, audio="speech", augment=Augment(),
    tasks=TaskOptions(max_tokens=60),
)  # fmt: skip
MIXTURE = Temperature(alpha=0.5, pooled={"detect_language": 0.1, "no_speech": 0.1})
WEIGHTS = LossWeights(
    language=dict.fromkeys(("en", "sw", "und"), 1.0),
    task=dict.fromkeys(("transcribe", "translate", "detect_language", "no_speech"), 1.0),
)
ENCODER = Encoder(
    tokenizer=Tokenizer({bytes([byte]): byte for byte in range(256)}, 100),
    n_mels=80,
    max_ms=1500,
    loss_weights=WEIGHTS,
)
GONE = "http://tones.test/transcribe/sw/3"


def take_down(uri: str, *lines: str) -> Corpus:
    """Put a list in force beside the shards and open them."""
    entries = Takedowns(tuple(entry for line in lines if (entry := parse(line, "x:1"))))
    put_in_force(uri.rsplit("/", 3)[0], entries)
    return Corpus(uri, "train")


def all_read(corpus: Corpus, stream: str) -> list[str]:
    return [corpus.read(stream, place).segment_id for place in range(corpus.size(stream))]


@pytest.mark.parametrize(
    "entry",
    [GONE, f"sha256: {hashlib.sha256(b'transcribe-sw-3').hexdigest()}"],
)
def test_what_is_taken_down_is_never_read_and_every_other_place_is_as_before(tmp_path: Path, entry: str) -> None:
    uri = write_shards(tmp_path / "artifacts", windows())
    before = all_read(Corpus(uri, "train"), "transcribe-sw")
    corpus = take_down(uri, entry)
    after = all_read(corpus, "transcribe-sw")
    gone = before.index("transcribe-sw-3")
    assert "transcribe-sw-3" not in after and len(after) == len(before) == 5
    assert after[:gone] + after[gone + 1 :] == before[:gone] + before[gone + 1 :]
    assert corpus.places("transcribe-sw") == [place for place in range(5) if place != gone]
    assert all_read(corpus, "translate-sw") == all_read(Corpus(uri, "train"), "translate-sw")
    assert "nne" not in list(corpus.texts())


def test_a_take_down_moves_neither_the_order_nor_the_samples_that_stand(tmp_path: Path) -> None:
    uri = write_shards(tmp_path / "artifacts", windows())
    corpus = Corpus(uri, "train")
    weights = shares(MIXTURE, corpus, CONFIG, 20)
    before = TrainingBatches(corpus, weights, CONFIG, ENCODER, Slice())
    plans, texts = [before.plan(index) for index in range(8)], [before[index].texts for index in range(8)]
    taken = TrainingBatches(take_down(uri, GONE), weights, CONFIG, ENCODER, Slice())
    for index in range(8):
        assert sorted(place(item) for item in taken.plan(index)) == sorted(place(item) for item in plans[index])
        assert not any("nne" in text for text in taken[index].texts)
    lost = Counter(text for row in texts for text in row) - Counter(
        text for index in range(8) for text in taken[index].texts
    )
    assert set(lost) == {"nne"}


def place(item: Planned) -> tuple[int, str, tuple[int, ...]]:
    return item.number, item.stream, item.places


def test_held_out_samples_that_were_taken_down_are_left_out(tmp_path: Path) -> None:
    uri = write_shards(tmp_path / "artifacts", windows())
    take_down(uri, GONE)
    held_out = HeldOutBatches(Corpus(uri, "validation"), CONFIG, ENCODER)
    tasks = Counter(task for index in range(len(held_out)) for task in held_out[index].tasks)
    assert tasks == {"transcribe": 9, "translate": 5, "detect_language": 9, "no_speech": 5}


def test_the_places_of_what_is_gone_are_shared_evenly_by_what_stands(tmp_path: Path) -> None:
    samples = [Window(kind="transcribe", lang="en", number=number) for number in range(24)]
    uri = write_shards(tmp_path / "artifacts", samples)
    corpus = take_down(uri, *(f"http://tones.test/transcribe/en/{number}.flac" for number in range(2, 14)))
    counts = Counter(all_read(corpus, "transcribe-en"))
    assert set(counts) == {f"transcribe-en-{number}" for number in (0, 1, *range(14, 24))}
    assert set(counts.values()) == {2}


def test_a_stream_of_which_nothing_stands_is_gone_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uri = write_shards(tmp_path / "artifacts", windows())
    corpus = take_down(uri, "http://tones.test/translate/")
    assert "translate-sw" not in corpus.pools and "transcribe-sw" in corpus.pools
    assert "stream translate-sw: 5 of 5 samples are taken down" in caplog.text


def test_a_window_taken_down_alone_takes_its_text_out_of_the_next_ones(tmp_path: Path) -> None:
    pair = [replace(window, recording="talk", prev="one") for window in windows([("transcribe", "en")], each=2)]
    uri = write_shards(tmp_path / "artifacts", pair)
    assert [Corpus(uri, "train").read("transcribe-en", place).prev_text for place in (0, 1)] == ["one", "one"]
    corpus = take_down(uri, "sample: talk_0")
    assert all_read(corpus, "transcribe-en") == ["talk:1", "talk:1"]
    assert corpus.read("transcribe-en", 1).prev_text is None
