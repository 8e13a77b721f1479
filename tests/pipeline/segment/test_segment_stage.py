"""Recordings in, segments out: text, links, statuses, and that no recording is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline import schema, store, tables
from pipeline.audio import Decoded, DecodeError, Samples
from pipeline.segment.retime import RetimeOptions
from pipeline.segment.stage import SegmentConfig, SegmentRecordings, segment_stage
from pipeline.segment.windows import WindowOptions
from pipeline.segment.wording import WordingOptions
from pipeline.sources.embedded.voice import speak
from pipeline.stage import Context
from tests.pipeline.segment.samples import SAMPLES

CAPTION = """1
00:00:01,000 --> 00:00:02,500
Rain &amp; wind
in the&nbsp;north.

2
00:00:03,000 --> 00:00:04,000
dÃ©jÃ  vu

3
00:00:20,000 --> 00:00:21,000
\u200b

4
00:00:29,000 --> 00:00:33,000
Bye.

5
00:00:31,000 --> 00:00:32,000
Too late.

6
99:99:99,999 --> 99:99:99,999
Never.
"""
STAGE = segment_stage(SegmentConfig())


def recording(blobs: Path, caption: bytes | None = None, **columns: Any) -> dict[str, Any]:
    text = {} if caption is None else {"text_status": "ok", "text_sha256": store.put_blob(str(blobs), caption)}
    base = {
        "recording_id": "r1",
        "status": "ok",
        "text_status": "absent",
        "duration_ms": 30_000,
        "source": "s",
    }
    return {**dict.fromkeys(schema.RECORDING.names), **base, **text, **columns}


def segments(blobs: Path, *recordings: dict[str, Any], stage: Any = STAGE) -> list[dict[str, Any]]:
    inputs = {"recording": tables.from_rows(recordings, schema.RECORDING)}
    outputs = stage.run(inputs, Context(blobs_uri=str(blobs), output_uris={"segment": ""}, input_fingerprints={}))
    STAGE.conserve(inputs, outputs)
    assert outputs["segment"][0].schema.equals(schema.SEGMENT)
    return outputs["segment"][0].to_pylist()


def test_a_captioned_recording_becomes_linked_windows_with_repaired_text(tmp_path: Path) -> None:
    rows = segments(tmp_path, recording(tmp_path, CAPTION.encode(), declared_lang="en"))
    assert [(row["segment_id"], row["prev_segment_id"], row["start_ms"], row["end_ms"]) for row in rows] == [
        ("r1:800", None, 800, 4200),
        ("r1:4200", "r1:800", 4200, 19_800),
        ("r1:19800", "r1:4200", 19_800, 21_200),
        ("r1:21200", "r1:19800", 21_200, 28_800),
        ("r1:28800", "r1:21200", 28_800, 30_000),
    ]
    assert [row["text"] for row in rows] == ["Rain & wind in the north. déjà vu", None, None, None, "Bye."]
    assert rows[0]["cues"] == [
        {"start_ms": 200, "end_ms": 1700, "text": "Rain & wind in the north."},
        {"start_ms": 2200, "end_ms": 3200, "text": "déjà vu"},
    ]
    assert [row["is_repaired"] for row in rows] == [True, None, None, None, False]
    assert [row["cut_ms"] for row in rows] == [0, 0, 0, 0, 3000]
    assert {row["caption_end_ms"] for row in rows} == {33_000}
    assert {row["num_lost_cues"] for row in rows} == {2}
    assert {(row["caption_status"], row["caption_format"], row["declared_lang"]) for row in rows} == {
        ("ok", "srt", "en")
    }


def test_text_without_times_is_kept_in_the_first_window(tmp_path: Path) -> None:
    caption = b"Ann: Rain in the north,   they say.\n\nBen: Sun &amp; wind, I think.\n"
    rows = segments(tmp_path, recording(tmp_path, caption, duration_ms=70_000))
    assert [row["untimed_text"] for row in rows] == [
        "Ann: Rain in the north, they say.\nBen: Sun & wind, I think.",
        None,
        None,
    ]
    assert {(row["caption_status"], row["alignment"], row["text"]) for row in rows} == {("untimed", "none", None)}
    assert {row["caption_detail"] for row in rows} == {"text without times"}


def test_text_without_times_is_all_of_a_recording_that_is_one_window(tmp_path: Path) -> None:
    caption = b"Rain in the north,   they say, and more rain in the south.\n\nSun & wind in the west, I think.\n"
    [row] = segments(tmp_path, recording(tmp_path, caption, duration_ms=9_000))
    assert row["text"] == "Rain in the north, they say, and more rain in the south. Sun & wind in the west, I think."
    assert (row["alignment"], row["start_ms"], row["end_ms"], row["untimed_text"]) == ("whole", 0, 9_000, None)
    assert [(cue["start_ms"], cue["end_ms"]) for cue in row["cues"]] == [(0, 9_000)]


@pytest.mark.parametrize(("duration_ms", "text", "alignment"), [(4_000, "404", "whole"), (40_000, None, "none")])
def test_words_that_a_dataset_states_need_not_look_like_a_transcript(
    tmp_path: Path, duration_ms: int, text: str | None, alignment: str
) -> None:
    stated = recording(tmp_path, b" 404\n", duration_ms=duration_ms, text_format="text")
    row = segments(tmp_path, stated)[0]
    assert (row["caption_status"], row["text"], row["alignment"]) == ("untimed", text, alignment)
    [guessed, *_] = segments(tmp_path, stated | {"text_format": "txt"})
    assert (guessed["caption_status"], guessed["text"]) == ("not_captions", None)


def in_sound(samples: Samples) -> Any:
    """A stage that finds these samples in any file."""
    config = SegmentConfig(retime=RetimeOptions(untimed=True, overlong=True, shifted=True))
    stage = segment_stage(config)
    pcm = (samples * 32_767).astype(np.int16)
    decoded = Decoded(pcm=pcm, container="wav", codec="pcm_s16le", sample_rate=16_000, channels=1)
    assert isinstance(stage.run, SegmentRecordings)
    return replace(stage, run=replace(stage.run, decode=lambda _: decoded))


def test_text_is_laid_over_its_speech_and_says_how_sure_that_is(tmp_path: Path) -> None:
    lines = [f"There will be rain in the {place} today, and more tomorrow." for place in ("north", "south", "west")]
    takes = [speak(line, voice="en-us", rate_wpm=150, pitch=50) for line in lines * 4]
    pause = np.zeros(16_000, dtype=np.float32)
    samples = np.concatenate([piece for take in takes for piece in (pause, 0.5 * take / np.abs(take).max())])
    given = recording(
        tmp_path,
        "\n".join(lines * 4).encode(),
        duration_ms=len(samples) // 16,
        sha256=store.put_blob(str(tmp_path), b"x"),
    )
    rows = segments(tmp_path, given, stage=in_sound(samples.astype(np.float32)))
    assert {(row["alignment"], row["untimed_text"]) for row in rows} == {("speech", None)}
    captioned = [row for row in rows if row["text"]]
    assert " ".join(row["text"] for row in captioned) == " ".join(lines * 4)
    assert min(row["alignment_confidence"] for row in captioned) > 0.7


def test_audio_that_does_not_decode_leaves_the_text_without_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: bytes) -> Decoded:
        raise DecodeError("nothing in it")

    stage = in_sound(np.zeros(16_000, dtype=np.float32))
    caption = b"Rain in the north,   they say.\n\nSun &amp; wind, I think.\n"
    given = recording(tmp_path, caption, duration_ms=70_000, sha256=store.put_blob(str(tmp_path), b"x"))
    rows = segments(tmp_path, given, stage=replace(stage, run=replace(stage.run, decode=refuse)))
    assert {row["alignment"] for row in rows} == {"none"}
    assert "recording r1 gets no times from its sound: nothing in it" in caplog.text


def test_what_the_text_leaves_out_is_kept_beside_it(tmp_path: Path) -> None:
    caption = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>[Music] Rain.\n\n00:03.000 --> 00:04.000\n[Applause]\n"
    stage = segment_stage(SegmentConfig(wording=WordingOptions(sound_tags="strip")))
    rows = segments(tmp_path, recording(tmp_path, caption.encode(), duration_ms=5000), stage=stage)
    assert [(row["text"], row["raw_text"]) for row in rows] == [("Rain.", "Ann: [Music] Rain. [Applause]")]
    assert [cue["text"] for cue in rows[0]["cues"]] == ["Rain."]
    [plain] = segments(tmp_path, recording(tmp_path, caption.replace("<v Ann>", "").encode(), duration_ms=5000))
    assert (plain["text"], plain["raw_text"]) == ("[Music] Rain. [Applause]", None)


def test_the_evidence_of_a_captions_origin_is_in_every_window(tmp_path: Path) -> None:
    rows = segments(tmp_path, recording(tmp_path, SAMPLES["youtube_vtt"], text_kind="auto"))
    expected = {
        "alignment": "cues",
        "declared_text_kind": "auto",
        "caption_lang": "en",
        "caption_auto_mark": "Kind: captions, <00:00:00.480>",
        "caption_tool": None,
        "has_inline_timing": True,
        "is_rolling": True,
        "num_speakers": 0,
        "has_speaker_marks": False,
        "untimed_text": None,
    }
    assert len(rows) == 2
    assert all({name: row[name] for name in expected} == expected for row in rows)


def test_without_a_caption_there_is_no_evidence(tmp_path: Path) -> None:
    [row] = segments(tmp_path, recording(tmp_path))
    names = ["alignment", "caption_lang", "caption_auto_mark", "has_inline_timing", "num_speakers", "untimed_text"]
    assert {row[name] for name in names} == {None}


@pytest.mark.parametrize(
    ("caption", "columns", "status"),
    [
        (None, {}, "absent"),
        (None, {"text_status": "http_404"}, "http_404"),
        (b"", {}, "empty"),
        (b"<html>404</html>", {}, "not_captions"),
        (b"WEBVTT\n\n00:xx --> 00:yy\nHello\n", {}, "unparsable"),
    ],
)
def test_a_recording_without_usable_captions_gives_windows_that_say_why(
    tmp_path: Path, caption: bytes | None, columns: dict[str, Any], status: str
) -> None:
    rows = segments(tmp_path, recording(tmp_path, caption, **columns))
    assert [(row["start_ms"], row["end_ms"], row["text"], row["cues"]) for row in rows] == [(0, 30_000, None, None)]
    assert rows[0]["caption_status"] == status
    assert (rows[0]["caption_end_ms"], rows[0]["num_lost_cues"]) == (None, int(status == "unparsable"))


def test_only_recordings_with_audio_give_segments_and_in_their_order(tmp_path: Path) -> None:
    rows = segments(
        tmp_path,
        recording(tmp_path, recording_id="b", duration_ms=40),
        recording(tmp_path, recording_id="x", status="http_404", duration_ms=None),
        recording(tmp_path, recording_id="a"),
    )
    assert [row["segment_id"] for row in rows] == ["b:0", "a:0"]


def test_a_part_without_audio_gives_an_empty_part(tmp_path: Path) -> None:
    assert segments(tmp_path, recording(tmp_path, status="robots")) == []


def test_a_lost_recording_is_noticed(tmp_path: Path) -> None:
    inputs = {"recording": tables.from_rows([recording(tmp_path)], schema.RECORDING)}
    with pytest.raises(AssertionError, match="segments lack recordings {'r1'}"):
        STAGE.conserve(inputs, {"segment": [schema.SEGMENT.empty_table()]})


def test_window_options_are_part_of_the_fingerprint() -> None:
    other = segment_stage(SegmentConfig(window=WindowOptions(max_ms=20_000)))
    assert STAGE.outputs[0].config == {
        "window": {"max_ms": 30_000, "max_gap_ms": 2000, "pad_ms": 200, "min_gap_window_ms": 5000},
        "retime": {
            "untimed": False,
            "overlong": False,
            "shifted": False,
            "stretched": False,
            "min_shift_ms": 200,
            "min_synced": 0.6,
        },
        "wording": {"sound_tags": "keep", "speaker_names": "strip"},
    }
    assert other.outputs[0].config != STAGE.outputs[0].config


def test_the_stage_can_be_sent_to_a_worker() -> None:
    import pickle

    assert pickle.loads(pickle.dumps(STAGE.run)) == STAGE.run
    assert isinstance(STAGE.outputs[0].schema, pa.Schema)
