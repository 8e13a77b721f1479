"""Shards hold every kept window once, in an order nobody's speed can change, and plain webdataset reads them."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile as sf
import webdataset as wds

from pipeline import audio, store, tables
from pipeline.audio import SAMPLE_RATE
from pipeline.errors import DataError
from pipeline.schema import DECISION, RECORDING, SEGMENT
from pipeline.shard.codec import Codec, Flac, Opus
from pipeline.shard.plan import ShardConfig, ShardPlanner
from pipeline.shard.write import ShardWriter
from pipeline.stage import PART, Context
from pipeline.tar import read_sample

SECOND = 1000
FLAC, OPUS = Flac(), Opus(bits_per_second=24_000, complexity=0)


def blank(schema: pa.Schema, **values: Any) -> dict[str, Any]:
    return dict.fromkeys(schema.names) | values


def corpus(blobs: str, num_windows: int = 3) -> dict[str, pa.Table]:
    """Two recordings of `num_windows` one-second tones; the last window of each is rejected."""
    recordings, segments, decisions = [], [], []
    for name, tone in (("aa", 200), ("bb", 400)):
        samples = np.sin(np.arange(num_windows * SAMPLE_RATE) * 2 * np.pi * tone / SAMPLE_RATE).astype(np.float32) / 2
        digest = store.put_blob(blobs, audio.to_flac(samples))
        recordings.append(
            blank(
                RECORDING, recording_id=name, sha256=digest, license="CC0-1.0", candidate_id=f"of-{name}",
                page_url="/srv/talks/", audio_url=f"https://me:pw@a.test/{name}.flac?id=1&token=2",
            )
        )  # fmt: skip
        for number in range(num_windows):
            key, start = f"{name}:{number * SECOND}", number * SECOND
            cues = [{"start_ms": 0, "end_ms": 900, "text": key}]
            previous = f"{name}:{start - SECOND}" if number else None
            segments.append(
                blank(
                    SEGMENT, segment_id=key, source="s", start_ms=start, end_ms=start + SECOND, text=key, cues=cues,
                    prev_segment_id=previous,
                )
            )  # fmt: skip
            kept = number < num_windows - 1
            decisions.append(
                blank(
                    DECISION, segment_id=key, recording_id=name, duration_ms=SECOND, kept=kept, kind="transcribe",
                    tasks=["transcribe"], lang="sw", text_lang="sw", split="train",
                )
            )  # fmt: skip
    rows = {
        "decision": (decisions, DECISION),
        "segment": (segments, SEGMENT),
        "recording": (recordings, RECORDING),
    }
    return {name: numbered(tables.from_rows(items, schema)) for name, (items, schema) in rows.items()}


def numbered(table: pa.Table) -> pa.Table:
    return table.append_column(PART, pa.array([0] * table.num_rows, pa.int64()))


def plan(inputs: dict[str, pa.Table], max_bytes: int = 1 << 20, codec: Codec = FLAC) -> list[pa.Table]:
    context = Context(blobs_uri="", output_uris={}, input_fingerprints={"decision": "d" * 16})
    return list(ShardPlanner(ShardConfig(max_bytes=max_bytes, codec=codec))(inputs, context)["shard_plan"])


def write(root: Path, blobs: str, part: pa.Table, codec: Codec = FLAC) -> dict[str, Any]:
    context = Context(blobs_uri=blobs, output_uris={"shard_index": str(root)}, input_fingerprints={})
    return ShardWriter(codec)({"shard_plan": part}, context)["shard_index"][0].to_pylist()[0]


def test_every_kept_window_is_planned_once_whatever_the_order_of_rows(tmp_path: Path) -> None:
    inputs = corpus(str(tmp_path))
    [part] = plan(inputs)
    assert sorted(part["segment_id"].to_pylist()) == ["aa:0", "aa:1000", "bb:0", "bb:1000"]
    order = list(range(inputs["decision"].num_rows))
    random.Random(7).shuffle(order)
    shuffled = inputs | {name: inputs[name].take(order) for name in ("decision", "segment")}
    assert plan(shuffled)[0].equals(part)


def test_what_machines_spoke_lies_in_shards_of_its_own_but_its_silence_does_not(tmp_path: Path) -> None:
    inputs = corpus(str(tmp_path / "blobs"))
    kinds = pa.array(["transcribe", "no_speech", None] * 2)
    spoken = pa.array([True, True, True, False, False, False])
    inputs["decision"] = inputs["decision"].set_column(DECISION.get_field_index("kind"), "kind", kinds)
    inputs["segment"] = inputs["segment"].set_column(SEGMENT.get_field_index("is_synthetic"), "is_synthetic", spoken)
    index = [write(tmp_path, str(tmp_path / "blobs"), part) for part in plan(inputs)]
    assert [(row["shard_id"], row["uri"], row["is_synthetic"], row["segment_ids"]) for row in index] == [
        ("train-no_speech-sw-000000", "train/no_speech-sw/000000.tar", False, ["aa:1000", "bb:1000"]),
        ("train-transcribe-sw-000000", "train/transcribe-sw/000000.tar", False, ["bb:0"]),
        ("train-transcribe-sw-synthetic-000000", "train/transcribe-sw-synthetic/000000.tar", True, ["aa:0"]),
    ]
    samples = [sample for row in index for sample in wds.WebDataset(str(tmp_path / row["uri"]), shardshuffle=False)]
    assert [json.loads(sample["json"])["is_synthetic"] for sample in samples] == [False, False, False, True]


def test_shards_are_bounded_in_bytes(tmp_path: Path) -> None:
    parts = plan(corpus(str(tmp_path)), max_bytes=100_000)
    assert [part.num_rows for part in parts] == [2, 2]
    assert [part["shard_id"].to_pylist()[0] for part in parts] == [
        "train-transcribe-sw-000000",
        "train-transcribe-sw-000001",
    ]
    assert all(write(tmp_path, str(tmp_path), part)["bytes"] <= 100_000 for part in parts)


def test_an_opus_shard_holds_more_windows_in_as_many_bytes_and_the_same_samples(tmp_path: Path) -> None:
    inputs = corpus(str(tmp_path / "blobs"))
    [part] = plan(inputs, max_bytes=100_000, codec=OPUS)
    one, two = (write(tmp_path / name, str(tmp_path / "blobs"), part, OPUS) for name in ("one", "two"))
    assert one == two and one["bytes"] <= 100_000
    samples = list(wds.WebDataset(str(tmp_path / "one" / one["uri"]), shardshuffle=False))
    assert [sample["__key__"].replace("_", ":") for sample in samples] == one["segment_ids"]
    for sample in samples:
        clip, rate = sf.read(io.BytesIO(sample["opus"]), dtype="float32")
        assert (len(clip), rate, "flac" in sample) == (SAMPLE_RATE, SAMPLE_RATE, False)
        tone = 200 if sample["__key__"].startswith("aa") else 400
        assert np.argmax(np.abs(np.fft.rfft(clip))) == tone


def test_previous_text_is_only_that_of_a_kept_window(tmp_path: Path) -> None:
    inputs = corpus(str(tmp_path))
    kept = pa.array([row != 0 for row in range(inputs["decision"].num_rows)])
    inputs["decision"] = inputs["decision"].set_column(DECISION.get_field_index("kept"), "kept", kept)
    previous = {row["segment_id"]: row["prev_text"] for row in plan(inputs)[0].to_pylist()}
    assert previous == {
        "aa:1000": None,
        "aa:2000": "aa:1000",
        "bb:0": None,
        "bb:1000": "bb:0",
        "bb:2000": "bb:1000",
    }


def test_two_writes_give_the_same_bytes_and_the_index_describes_them(tmp_path: Path) -> None:
    [part] = plan(corpus(str(tmp_path / "blobs")))
    one, two = (write(tmp_path / name, str(tmp_path / "blobs"), part) for name in ("one", "two"))
    assert one == two
    data = (tmp_path / "one" / one["uri"]).read_bytes()
    assert one["bytes"] == len(data)
    assert (one["num_samples"], one["duration_ms"], one["sample_ms"]) == (4, 4000, [1000] * 4)
    ends = [*one["sample_offsets"][1:], len(data)]
    for segment_id, start, end in zip(one["segment_ids"], one["sample_offsets"], ends, strict=True):
        key, members = read_sample(data[start:end])
        sample = json.loads(members["json"])
        assert (sample["segment_id"], sample["text"], key) == (
            segment_id,
            segment_id,
            segment_id.replace(":", "_"),
        )
        assert (sample["license"], sample["cues"]) == ("CC0-1.0", [[0, 900, segment_id]])


def test_a_shard_says_where_its_samples_are_from_without_credentials_or_paths_of_this_machine(tmp_path: Path) -> None:
    [part] = plan(corpus(str(tmp_path / "blobs")))
    row = write(tmp_path, str(tmp_path / "blobs"), part)
    urls = ["talks", "https://a.test/aa.flac?id=1"]
    assert [(origin["recording_id"], origin["candidate_id"]) for origin in row["origins"]] == [
        ("aa", "of-aa"),
        ("bb", "of-bb"),
    ]
    assert row["origins"][0]["urls"] == urls
    first = (tmp_path / row["uri"]).read_bytes()[: row["sample_offsets"][1]]
    sample = json.loads(read_sample(first)[1]["json"])
    assert sample["page_url"] == "talks" and sample["sha256"] in part["sha256"].to_pylist()


def test_plain_webdataset_reads_the_windows_we_cut(tmp_path: Path) -> None:
    [part] = plan(corpus(str(tmp_path / "blobs")))
    row = write(tmp_path, str(tmp_path / "blobs"), part)
    samples = list(wds.WebDataset(str(tmp_path / row["uri"]), shardshuffle=False))
    assert [sample["__key__"].replace("_", ":") for sample in samples] == row["segment_ids"]
    clip, rate = sf.read(io.BytesIO(samples[0]["flac"]), dtype="float32")
    assert (len(clip), rate) == (SAMPLE_RATE, SAMPLE_RATE)
    tone = 200 if samples[0]["__key__"].startswith("aa") else 400
    assert np.argmax(np.abs(np.fft.rfft(clip))) == tone


def test_a_corpus_without_a_kept_window_is_an_error(tmp_path: Path) -> None:
    inputs = corpus(str(tmp_path), num_windows=1)
    with pytest.raises(DataError, match="decide kept no window"):
        plan(inputs)
