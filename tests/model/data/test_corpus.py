"""A sample is what its index and shard say, from a disk or a bucket, and a damaged shard is never read from."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import webdataset

from model.data.cache import ShardReader
from model.data.corpus import Corpus, Reading, parse_sample, resolve_shards
from model.data.sound import decode_sound
from pipeline.errors import DataError, UserError
from pipeline.schema import SCHEMA_VERSION
from pipeline.shard.codec import Opus
from tests.model.tiny_shards import Window, windows, write_shards


@pytest.fixture(scope="module")
def shards_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows())


def test_plain_webdataset_reads_the_same_tars(shards_uri: str) -> None:
    corpus = Corpus(shards_uri, "train")
    pool = corpus.pools["transcribe-sw"]
    foreign = list(webdataset.WebDataset([shard.uri for shard in pool.shards], shardshuffle=False))
    ours = [corpus.read("transcribe-sw", place) for place in range(corpus.size("transcribe-sw"))]
    assert len(foreign) == len(ours) == 5
    for sample, own in zip(foreign, ours, strict=True):
        theirs = parse_sample({"flac": sample["flac"], "json": sample["json"]})
        assert replace(theirs, audio=None) == replace(own, audio=None)
        np.testing.assert_array_equal(theirs.audio, own.audio)


def test_what_the_index_says_of_a_sample_is_what_is_read(shards_uri: str) -> None:
    corpus = Corpus(shards_uri, "train")
    for stream in corpus.pools:
        for place in range(corpus.size(stream)):
            sample = corpus.read(stream, place)
            assert sample.audio is not None and len(sample.audio) == 16 * sample.duration_ms
            assert sample.duration_ms == corpus.duration_ms(stream, place)
    assert corpus.size("detect_language") == 10 and corpus.size("no_speech") == 5
    assert corpus.hours()["translate-sw"] == pytest.approx((300 + 400 + 500 + 600 + 700) / 3_600_000)


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "truncate":
        data = data[: len(data) // 2]
    if how == "flip":
        data[len(data) // 2] ^= 1
    path.unlink()
    if how != "remove":
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("how", "complaint"), [("truncate", "is damaged"), ("flip", "is damaged"), ("remove", "is missing")]
)
def test_a_damaged_shard_is_named_before_its_first_sample_is_used(tmp_path: Path, how: str, complaint: str) -> None:
    corpus = Corpus(write_shards(tmp_path, windows()), "train")
    damage(Path(corpus.pools["translate-sw"].shards[0].uri), how)
    assert corpus.read("transcribe-sw", 0).text == "moja"
    with pytest.raises(DataError, match=f"shard train-translate-sw-000000 {complaint}"):
        corpus.read("translate-sw", 1)


def test_a_run_that_may_go_on_takes_other_samples_for_those_of_a_damaged_shard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uri, skip = write_shards(tmp_path, windows()), Reading(damaged="skip")
    whole = [Corpus(uri, "train").read("translate-sw", place).segment_id for place in range(5)]
    damage(Path(Corpus(uri, "train").pools["translate-sw"].shards[0].uri), "flip")
    corpus = Corpus(uri, "train", skip)
    read = [corpus.read("translate-sw", place).segment_id for place in range(5)]
    assert caplog.text.count("training goes on without shard train-translate-sw-000000: shard") == 1
    assert read[3:] == whole[3:] and set(read) == set(whole[3:])
    assert [Corpus(uri, "train", skip).read("translate-sw", place).segment_id for place in (4, 2, 0)] == [
        read[place] for place in (4, 2, 0)
    ]
    damage(Path(corpus.pools["translate-sw"].shards[1].uri), "remove")
    with pytest.raises(DataError, match="stream 'translate-sw' has no whole shard left"):
        Corpus(uri, "train", skip).read("translate-sw", 0)


def test_an_unknown_policy_for_damaged_shards_is_an_error() -> None:
    with pytest.raises(UserError, match="damaged 'ignore' does not exist; have stop, skip"):
        Reading(damaged="ignore")  # pyright: ignore[reportArgumentType]


def test_six_hundred_damages_are_all_caught(tmp_path: Path) -> None:
    corpus = Corpus(write_shards(tmp_path, windows()), "train")
    shard = corpus.pools["translate-sw"].shards[0]
    path, rng = Path(shard.uri), np.random.default_rng(0)
    data, num_caught = path.read_bytes(), 0
    for turn in range(600):
        place = int(rng.integers(len(data)))
        flipped = data[:place] + bytes([data[place] ^ 1 << int(rng.integers(8))]) + data[place + 1 :]
        path.write_bytes(data[:place] if turn % 2 else flipped)
        try:
            ShardReader(Reading().cache()).read(shard, 0, 1)
        except DataError:
            num_caught += 1
    assert num_caught == 600


def test_a_corpus_in_a_bucket_is_read_through_copies(bucket: str, tmp_path: Path) -> None:
    local = Corpus(write_shards(tmp_path, windows()), "train")
    reading = Reading(cache_folder=str(tmp_path / "cache"))
    remote = Corpus(write_shards(bucket, windows()), "train", reading)
    for place in range(5):
        one, other = (corpus.read("transcribe-sw", place) for corpus in (local, remote))
        assert one.text == other.text and np.array_equal(one.audio, other.audio)
    names = {shard.sha256 for shard in remote.pools["transcribe-sw"].shards}
    assert {path.name for path in (tmp_path / "cache").iterdir() if not path.name.endswith(".lock")} == names


def test_the_sound_of_a_sample_may_be_opus(shards_uri: str) -> None:
    own = Corpus(shards_uri, "train").read("transcribe-sw", 0)
    window = Window(kind="transcribe", lang="sw", number=0, duration_ms=300)
    opus = Opus(bits_per_second=24_000, complexity=0).encode(own.audio)
    read = parse_sample({"opus": opus, "json": json.dumps(window.described()).encode()})
    assert replace(read, audio=None) == replace(own, audio=None)
    assert read.audio.dtype == np.float32 and len(read.audio) == len(own.audio) == 4800
    assert np.corrcoef(read.audio, own.audio)[0, 1] > 0.9


def test_sound_of_another_rate_or_in_stereo_is_an_error() -> None:
    for rate, shape in ((8_000, (800,)), (16_000, (800, 2))):
        sink = io.BytesIO()
        soundfile.write(sink, np.zeros(shape, dtype=np.float32), rate, format="FLAC")
        with pytest.raises(DataError, match=f"audio of {rate} Hz and shape .* is foreign; expected 16000 Hz mono"):
            decode_sound(sink.getvalue())


def test_a_sample_of_another_schema_or_without_a_member_is_an_error() -> None:
    window = Window(kind="transcribe", lang="en", number=0)
    with pytest.raises(DataError, match=r"members \['json'\]; expected json and one of \['flac', 'opus'\]"):
        parse_sample({"json": b"{}"})
    with pytest.raises(DataError, match="schema version 0"):
        parse_sample({"flac": window.flac(), "json": b'{"schema_version": 0}'})


def test_shards_of_another_schema_are_refused_before_a_column_is_missed(
    shards_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.data.corpus.SCHEMA_VERSION", 9)
    with pytest.raises(UserError, match=f"have schema {SCHEMA_VERSION}; expected 9; run ingest again"):
        Corpus(shards_uri, "train")


def test_a_split_or_stream_that_is_not_there_is_an_error(shards_uri: str) -> None:
    with pytest.raises(UserError, match="split 'tset' of .* has no shards"):
        Corpus(shards_uri, "tset")
    with pytest.raises(UserError, match="did you mean 'translate-sw'"):
        Corpus(shards_uri, "train").size("translate-sv")


def test_the_pointer_of_ingest_is_followed_and_its_absence_says_what_to_do(tmp_path: Path) -> None:
    pointer = tmp_path / "shards.json"
    with pytest.raises(UserError, match="run make ingest first"):
        resolve_shards(str(pointer))
    pointer.write_text('{"shards_uri": "s3://bucket/shard_index/abc", "fingerprint": "abc"}')
    assert resolve_shards(str(pointer)) == "s3://bucket/shard_index/abc"
    assert resolve_shards("some/folder") == "some/folder"
