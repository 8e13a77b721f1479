"""One command takes something down: it is written with its reason, in force at once, and its bytes can be removed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from jobs.takedown import main
from pipeline import artifact, store, tables
from pipeline.artifact import Artifact
from pipeline.fetch import answers
from pipeline.fetch.answers import Answer
from pipeline.schema import RECORDING
from pipeline.takedown import in_force
from tests.contract.tree import ROOT
from tests.pipeline.verify.tiny_corpus import make, publish

Run = Callable[..., str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Make a corpus of tones whose recording table names each one's bytes; two share their caption."""
    corpus = make(tmp_path / "data")
    blobs, rows = corpus.blobs_uri, list[dict[str, Any]]()
    for row in corpus.rows("ledger", ("recording_id", "candidate_id", "audio_url")):
        audio, text = (store.put_blob(blobs, content) for content in (row["recording_id"].encode(), b"caption"))
        answers.save(blobs, Answer(url=row["audio_url"], status="ok", sha256=audio))
        rows.append(dict.fromkeys(RECORDING.names) | row | {"sha256": audio, "text_sha256": text})
    place = Artifact(root_uri=str(tmp_path / "data" / "artifacts"), name="recording", fingerprint="r")
    publish(place, [tables.from_rows(rows, RECORDING)])
    made = {name: known.fingerprint for name, known in {**corpus.made, "recording": place}.items()}
    store.publish(str(tmp_path / "data" / "latest" / "report.json"), json.dumps({"artifacts": made}).encode())
    return tmp_path / "data"


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*overrides: str) -> str:
        places = (f"data_root={data}", f"takedown={data.parent / 'lists'}")
        with initialize_config_dir(str(ROOT / "conf"), version_base=None):
            main(compose("takedown", [*places, *overrides]))
        return capsys.readouterr().out

    return command


def recording(data: Path, url: str) -> dict[str, Any]:
    place = Artifact(root_uri=str(data / "artifacts"), name="recording", fingerprint="r")
    return next(row for row in artifact.read_all(place).to_pylist() if row["audio_url"].endswith(url))


def test_an_entry_is_written_with_its_day_and_reason_and_what_it_hits_is_told(data: Path, run: Run) -> None:
    said = run("kind=host", "value=tones.test", "reason='asked by  mail'")
    [line] = (data.parent / "lists" / "takedown.txt").read_text().splitlines()
    assert line.startswith("host: tones.test  # 20") and line.endswith(" asked by mail")
    assert "it hits 5 recordings, 4 samples (1 s) in 2 shards: train-no_speech-und-000000, train-trans" in said
    assert [str(entry) for entry in in_force(str(data)).entries] == ["host: tones.test"]
    run("kind=host", "value=tones.test")
    assert len((data.parent / "lists" / "takedown.txt").read_text().splitlines()) == 1


def test_without_an_entry_it_shows_what_is_in_force(data: Path, run: Run) -> None:
    assert run() == "nothing is taken down\n"
    (data.parent / "lists").mkdir()
    (data.parent / "lists" / "ours.txt").write_text("http://tones.test/transcribe/sw/0.flac\n")
    assert "it hits 1 recordings, 1 samples (0 s) in 1 shards" in run()
    assert len(in_force(str(data)).entries) == 1


def test_purging_removes_bytes_nobody_else_uses_and_keeps_them_from_coming_back(data: Path, run: Run) -> None:
    gone, kept = recording(data, "sw/0.flac"), recording(data, "sw/1.flac")
    assert "it hits 0 recordings" in run("kind=recording", "value=other")
    run("kind=sha256", f"value={gone['sha256']}")
    said = run("purge=true")
    assert f"1 blobs removed; remove old shards once an ingest has made new ones\n  {gone['sha256']}\n" in said
    blobs = str(data / "blobs")
    assert not store.exists(store.blob_uri(blobs, gone["sha256"]))
    assert answers.load(blobs, gone["audio_url"]) is None
    assert store.exists(store.blob_uri(blobs, kept["sha256"])) and answers.load(blobs, kept["audio_url"])
    assert store.exists(store.blob_uri(blobs, kept["text_sha256"]))
    assert f"candidate: {gone['candidate_id']}  # " in (data.parent / "lists" / "takedown.txt").read_text()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("kind=hots", "value=a.test"), "take-down of kind 'hots' does not exist; .* did you mean 'host'"),
        (("kind=host", "value=com"), "'host: com' at the command line is no entry"),
        (("kind=url", "value=a.test"), "take-down 'a.test' is no url; expected .*; mend the command"),
        (("kind=sample",), "'sample:' at the command line is no entry"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    data: Path, run: Run, capsys: pytest.CaptureFixture[str], overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(*overrides)
    assert stopped.value.code == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (data.parent / "lists").exists()
