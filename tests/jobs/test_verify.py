"""The command prints a line an invariant, and its exit code says whether all of them hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from jobs.ingesting.verifying import shard_maker, token_counter
from jobs.verify import main
from pipeline import artifact, store, tables
from pipeline.artifact import Artifact
from pipeline.schema import SHARD_INDEX
from pipeline.shard.codec import Codec
from pipeline.verify.again import shards_are_the_same_when_made_again
from pipeline.verify.corpus import Corpus
from pipeline.verify.shards import Tokens
from tests.contract.tree import ROOT
from tests.model.tiny_shards import Window
from tests.pipeline.shard.test_shard import FLAC, OPUS, corpus, plan, write
from tests.pipeline.verify.tiny_corpus import make, tars


def run(root: Path) -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        main(compose("verify", [f"data_root={root}"]))


def test_a_whole_corpus_passes_and_a_flipped_bit_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = make(tmp_path)
    made = {name: place.fingerprint for name, place in corpus.made.items()}
    store.publish(store.join(str(tmp_path), "latest", "report.json"), json.dumps({"artifacts": made}).encode())
    run(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["I1", "I2", "I3"]
    assert lines[-1] == "all 14 invariants hold"
    path = tars(corpus)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path)
    said = capsys.readouterr().out
    assert stopped.value.code == 1
    assert "1 BAD" in said and "shard train-no_speech-und-000000 has another sha256 than its index" in said


def test_without_an_ingest_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path)
    assert stopped.value.code == 2
    assert "run make ingest first" in capsys.readouterr().err


@pytest.mark.parametrize("codec", [FLAC, OPUS])
def test_shards_are_cut_again_from_their_plan_with_the_codec_they_were_cut_with(tmp_path: Path, codec: Codec) -> None:
    made = {
        name: Artifact(root_uri=str(tmp_path / "artifacts"), name=name, fingerprint="f" * 16)
        for name in ("shard_plan", "shard_index")
    }
    parts = plan(corpus(str(tmp_path / "blobs")), max_bytes=100_000)
    index = [write(Path(made["shard_index"].uri), str(tmp_path / "blobs"), part, codec) for part in parts]
    tables_of = {"shard_plan": parts, "shard_index": [tables.from_rows([row], SHARD_INDEX) for row in index]}
    for name, found in tables_of.items():
        for unit, table in enumerate(found):
            artifact.publish_unit(made[name], unit, {unit: table}, ())
        artifact.publish_manifest(made[name], {"config": {**codec.identity(), "schema_version": 2}}, len(found))
    finished = Corpus(data_root=str(tmp_path), made=made)
    verdict = shards_are_the_same_when_made_again(finished, shard_maker(finished), None)
    assert (verdict.num_checked, verdict.num_bad) == (2, 0)
    for path in (tmp_path / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    assert shard_maker(finished)(0) is None


@pytest.mark.parametrize(
    ("text", "prev", "expected"),
    [
        ("moja", None, Tokens(total=8, prompt=0)),
        ("moja", "mbili " * 500, Tokens(total=232, prompt=224)),
        ("moja " * 500, None, Tokens(is_passed_over=True)),
    ],
)
def test_tokens_are_counted_as_training_writes_them(text: str, prev: str | None, expected: Tokens) -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        count = token_counter(compose("verify"))
    window = Window(kind="transcribe", lang="sw", number=0, text=text, prev=prev)
    assert count(json.dumps(window.described()).encode()) == expected
