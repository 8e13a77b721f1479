"""Transcribing files as a person would: folders in, texts out, nothing done twice, mistakes named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from omegaconf import OmegaConf

from jobs import transcribe
from jobs.evaluating.sets import read_captions
from jobs.transcribing.ablation import caption_beside, ladder
from jobs.transcribing.inputs import Item, find_items
from model.decoding.longform import LongformOptions
from model.formats import openai
from model.net import ModelDimensions
from model.tokenizer import train_bpe
from model.vocabulary import Vocabulary
from pipeline.errors import DataError, UserError
from tests.contract.test_configs import composed
from tests.model.test_formats import bundle_of
from tests.model.tiny_shards import windows, write_shards

SHORT = (
    "num_threads=1",
    "longform.clips=whole",
    "longform.drops_hallucinations=false",
    "decode=greedy",
    "+decode.max_tokens=4",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a checkpoint, two recordings with captions, and a file that is no audio."""
    place = tmp_path_factory.mktemp("talks")
    vocabulary = Vocabulary(ranks=train_bpe([], 256), num_languages=100)
    dims = ModelDimensions(
        n_mels=80, n_audio_ctx=100, n_audio_state=16, n_audio_head=2, n_audio_layer=1,
        n_vocab=vocabulary.tokenizer().n_vocab, n_text_ctx=32, n_text_state=16, n_text_head=2, n_text_layer=1,
    )  # fmt: skip
    openai.write(bundle_of(dims, vocabulary), place / "model.pt")
    noise = np.random.default_rng(0).normal(0.0, 0.1, 3 * 16_000)
    (place / "audio/deep").mkdir(parents=True)
    for name in ("a.wav", "deep/b.flac"):
        soundfile.write(place / "audio" / name, noise, 16_000)
        (place / "audio" / name).with_suffix(".vtt").write_text("WEBVTT\n\n00:00.000 --> 00:02.000\nOne two three\n")
    (place / "broken.wav").write_bytes(b"RIFF    WAVEno audio")
    return place


def run(folder: Path, inputs: str, out: Path, *settings: str) -> None:
    given = (f"checkpoint={folder}/model.pt", f"inputs={inputs}", f"out={out}", *SHORT, *settings)
    threads = torch.get_num_threads()
    transcribe.main(OmegaConf.create(composed("transcribe", *given)[0]))
    torch.set_num_threads(threads)


def test_a_folder_becomes_transcripts_once(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, f"{folder}/audio", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.{kind}" for name in ("a.wav", "b.flac") for kind in ("txt", "vtt", "json")
    }
    said = json.loads((tmp_path / "a.wav.json").read_text())
    assert said["duration_ms"] == 3000
    assert all(0 <= one["start_ms"] < one["end_ms"] <= 3000 for one in said["segments"])
    assert "2 of 2 files to transcribe" in capsys.readouterr().out
    (tmp_path / "b.flac.vtt").unlink()
    run(folder, f"{folder}/audio", tmp_path)
    assert "1 of 2 files to transcribe" in capsys.readouterr().out
    assert (tmp_path / "b.flac.vtt").exists()


def test_what_is_no_audio_is_named_and_the_rest_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(folder, f"[{folder}/broken.wav,{folder}/audio/a.wav]", tmp_path, "formats=[srt]", "longform.words=true")
    assert stopped.value.code == 1
    message = capsys.readouterr().err
    assert "1 of 2 files were not transcribed" in message
    assert "broken.wav cannot be transcribed: " in message
    assert (tmp_path / "a.wav.srt").exists()


def test_the_ablation_scores_each_heuristic(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, f"{folder}/audio/a.wav", tmp_path, "ablate=true")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| heuristics | wer | cer | inserted | repeated | x real time |"
    assert [line.split("|")[1].strip() for line in lines[2:]] == [rung.name for rung in ladder(LongformOptions())]
    shutil.copy(folder / "audio/a.wav", tmp_path / "alone.wav")
    with pytest.raises(SystemExit):
        run(folder, f"{tmp_path}/alone.wav", tmp_path, "ablate=true")
    assert (
        "none of 1 files has captions beside it; expected for NAME.mp3 NAME with one of ('vtt',"
        in capsys.readouterr().err
    )


def test_references_are_the_captions_beside(folder: Path) -> None:
    caption = caption_beside(str(folder / "audio/a.wav"))
    assert caption is not None and read_captions(caption)[0] == "One two three"


def test_files_folders_and_patterns_name_audio_once(folder: Path) -> None:
    names = [item.name for item in find_items([f"{folder}/audio/*.wav", f"{folder}/audio", f"{folder}/model.pt"])]
    assert names == ["a.wav", "b.flac", "model.pt"]  # what is named by itself is taken as it is
    with pytest.raises(
        UserError, match=r"input '.*nothing' names no audio; expected a file, a folder, a pattern, a table or shards; "
    ):
        find_items(f"{folder}/nothing")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_rows_of_a_table_are_items(kind: str, folder: Path) -> None:
    rows = [{"path": "audio/a.wav", "language": "Spanish", "id": "one"}, {"path": "s3://bucket/b.mp3"}]
    table = folder / f"list.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), table)
    elif kind == "csv":
        table.write_text("path,language,id\naudio/a.wav,Spanish,one\ns3://bucket/b.mp3,,\n")
    else:
        table.write_text("\n".join(map(json.dumps, rows)))
    assert find_items(str(table)) == [
        Item(name="one", uri=f"{folder}/audio/a.wav", lang="es"),
        Item(name="b.mp3", uri="s3://bucket/b.mp3"),
    ]
    assert len(find_items(str(table))[0].samples()) == 48_000


def test_a_row_without_a_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,text\na.wav,x\n,y\n")
    with pytest.raises(UserError, match=r"row 3 of .*list.csv names no audio; expected one of the columns"):
        find_items(f"{tmp_path}/list.csv")


def test_the_samples_of_shards_are_items_named_by_their_segment(tmp_path: Path) -> None:
    samples = windows([("transcribe", "en"), ("no_speech", "und")], each=4)
    shards_uri = write_shards(tmp_path, samples, splits=["test"])
    (tmp_path / "shards.json").write_text(json.dumps({"shards_uri": shards_uri}))
    items = find_items(f"{tmp_path}/shards.json")
    assert sorted(item.name for item in items) == sorted(one.segment_id for one in samples)
    length = {one.segment_id: one.duration_ms * 16 for one in samples}
    assert all(len(item.samples()) == length[item.name] for item in items)
    assert find_items(shards_uri) == items
    with pytest.raises(DataError, match="sample other was taken down; expected one that stands; list the shards again"):
        replace(items[0], name="other").samples()


def test_a_corpus_is_transcribed_once_and_becomes_a_table(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (f"data_root={tmp_path}/data", "items_per_unit=1", "executor.kind=serial", "log=plain")
    inputs = f"[{folder}/audio,{folder}/broken.wav]"
    with pytest.raises(SystemExit) as stopped:
        run(folder, inputs, tmp_path / "out", *given)
    assert stopped.value.code == 1
    said = capsys.readouterr()
    assert "1 of 3 files were not transcribed" in said.err
    assert "transcribe: 3 of 3 units to do" in said.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{name}.{kind}" for name in ("a.wav", "b.flac") for kind in ("txt", "vtt", "json")
    }
    pointer = json.loads((tmp_path / "data/latest/transcripts.json").read_text())
    parts = sorted(Path(pointer["transcripts_uri"]).glob("*.parquet"))
    rows = [row for part in parts for row in pq.read_table(part).to_pylist()]
    assert [(row["name"], row["status"], row["duration_ms"]) for row in rows] == [
        ("a.wav", "ok", 3000), ("b.flac", "ok", 3000), ("broken.wav", "unreadable", None),
    ]  # fmt: skip
    run(folder, f"{folder}/audio/a.wav", tmp_path / "here", "formats=[json]")
    alone = json.loads((tmp_path / "here/a.wav.json").read_text())
    assert alone == json.loads((tmp_path / "out/a.wav.json").read_text())  # the same here as in the flow
    (tmp_path / "out/b.flac.txt").unlink()
    with pytest.raises(SystemExit):
        run(folder, inputs, tmp_path / "out", *given)
    assert "units to do" not in capsys.readouterr().err.replace("0 of 3 units to do", "")
    assert (tmp_path / "out/b.flac.txt").exists()


def test_workers_elsewhere_are_given_whole_paths_and_a_person_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ("checkpoint=a.ckpt", "inputs=[talks,s3://bucket/t.csv,/x/*.mp3]", "out='~/out'", "data_root=data")
    cfg = OmegaConf.create(composed("transcribe", *given, "executor.address=head:6379")[0])
    transcribe.settle_inputs(cfg)
    assert (cfg.checkpoint, cfg.out) == (f"{tmp_path}/a.ckpt", str(Path.home() / "out"))
    assert cfg.inputs == [f"{tmp_path}/talks", "s3://bucket/t.csv", "/x/*.mp3"]
    told = f"every machine of the cluster has to see {tmp_path}/a.ckpt, {tmp_path}/talks, /x/*.mp3, {Path.home()}/out\n"
    assert capsys.readouterr().out == told
    alone = OmegaConf.create(composed("transcribe", *given[:1], "inputs=talks", "out=out", "data_root=data")[0])
    alone.executor.address = None
    transcribe.settle_inputs(alone)
    assert (alone.inputs, capsys.readouterr().out) == ([f"{tmp_path}/talks"], "")


def test_video_and_upper_case_are_found_in_folders(tmp_path: Path) -> None:
    for name in ("a.MKV", "b.Mp4", "c.weba", "c.txt", "d.m4b"):
        (tmp_path / name).write_bytes(b"x")
    assert [item.name for item in find_items(str(tmp_path))] == ["a.MKV", "b.Mp4", "c.weba", "d.m4b"]


def test_files_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "audio/a.wav", tmp_path / "a.wav")
    with pytest.raises(UserError, match=r"files .*a.wav and .*a.wav share a name; expected names of their own"):
        find_items([str(folder / "audio"), str(tmp_path)])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "formats=[vt]",
            "error: format 'vt' does not exist; have ['json', 'srt', 'tsv', 'txt', 'vtt']; did you mean 'vtt'?",
        ),
        (
            "batch_size=0",
            "error: batch_size 0 and items_per_unit 64 leave nothing to do; expected 1 or more; try 8 and 64",
        ),
        ("longform.clips=vad", "error: clips 'vad' are none; expected 'whole' or 'speech'; choose one of these"),
        (
            "longform.previous_txt=true",
            "error: setting of model.decoding.longform.LongformOptions 'previous_txt' does not",
        ),
    ],
)
def test_a_mistake_is_one_line(
    setting: str, message: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(folder, f"{folder}/audio", tmp_path, f"++{setting}")
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
