"""The command prints a line an invariant, and its exit code says whether all of them hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from jobs.verify import main
from pipeline import store
from tests.contract.tree import ROOT
from tests.pipeline.verify.tiny_corpus import make, tars


def run(root: Path) -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        main.__wrapped__(compose("verify", [f"data_root={root}"]))  # pyright: ignore[reportFunctionMemberAccess]


def test_a_whole_corpus_passes_and_a_flipped_bit_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = make(tmp_path)
    made = {name: place.fingerprint for name, place in corpus.made.items()}
    store.publish(store.join(str(tmp_path), "latest", "report.json"), json.dumps({"artifacts": made}).encode())
    run(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["I1", "I2", "I3"]
    assert lines[-1].startswith("all 12 invariants hold (not shown here: I6")
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
