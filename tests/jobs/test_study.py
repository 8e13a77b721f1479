"""A study's cells, its commands, shares of a corpus, and what the answers come to."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from jobs import study
from jobs.training import studying
from jobs.training.studying import Cell, Settings, findings, run_command, share_of, table_lines
from model.data.corpus import Corpus
from model.evaluation.evaluate import Utterance
from pipeline.errors import DataError, UserError
from pipeline.takedown import Entry, Takedowns, put_in_force
from tests.contract.test_configs import CONF, composed
from tests.model.evaluation.test_evaluation import told
from tests.model.tiny_shards import windows, write_shards


def settings(*overrides: str) -> Settings:
    return Settings(**composed("study", *overrides)[0])


def run(*overrides: str) -> None:
    """Run the study with conf/ as Hydra's folder, as the command does."""
    config = OmegaConf.create(composed("study", *overrides)[0])
    with initialize_config_dir(str(CONF), version_base=None):
        study.main.__wrapped__(config)  # type: ignore[attr-defined]


def answers_of(cell: Cell) -> list[Utterance]:
    """Answer ten utterances of three words: one word wrong in each without filters, in every other one with them."""
    said = ["one two three" if cell.corpus == "filtered" and number % 2 else "one two tree" for number in range(10)]
    return [told(number, "one two three", text) for number, text in enumerate(said)]


def test_cells_are_all_combinations_and_a_round_of_seeds_is_complete() -> None:
    cells = settings("sizes=[demo,tiny]", "shares=[0.5,1.0]", "seeds=[3,4]").cells()
    assert len(set(cells)) == 16 and {cell.seed for cell in cells[:8]} == {3}
    assert cells[1].run_name("s") == "s/unfiltered-demo-0.5-3"
    assert cells[1].checkpoint("s") == Path("runs/s/unfiltered-demo-0.5-3/checkpoints/last.ckpt")
    with pytest.raises(UserError, match=r"study of corpora .* and shares \[0\] has nothing to train on; expected"):
        settings("shares=[0]")


def test_explaining_prints_the_commands_a_person_would_type(capsys: pytest.CaptureFixture[str]) -> None:
    run("explain=true")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 6
    assert "jobs/ingest.py" in lines[0] and "rules=" not in lines[0]
    assert "'checks.timing.rules=[]' 'checks.timing.examples=[]'" in lines[1] and "checks.silence.rules" in lines[1]
    assert "+experiment=demo" in lines[2] and "size=demo data.shards=SHARDS_OF_filtered loader.seed=0" in lines[2]


def test_a_share_is_part_of_every_larger_one_and_leaves_held_out_speech_alone(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "data/artifacts", windows(each=20))
    put_in_force(str(tmp_path / "data"), Takedowns((Entry("recording", "transcribe-en-0"),)))
    views = {share: share_of(shards, share, tmp_path / "views") for share in (0.25, 0.5, 1.0)}
    assert views[1.0] == shards

    def standing(view: str, split: str) -> set[str]:
        corpus = Corpus(view, split)
        pairs = [(stream, place) for stream in corpus.pools for place in corpus.places(stream)]
        return {corpus.read(*pair).recording_id for pair in pairs}

    quarter, half, whole = (standing(views[share], "train") for share in (0.25, 0.5, 1.0))
    assert quarter < half < whole and "transcribe-en-0" not in whole
    assert len(quarter) == pytest.approx(20, abs=8) and len(half) == pytest.approx(40, abs=9)
    assert share_of(shards, 0.5, tmp_path / "views") == views[0.5]
    with pytest.raises(UserError, match=r"share 0\.5 of s3://b/x/y cannot be taken; expected a local shard folder"):
        share_of("s3://b/x/y", 0.5, tmp_path)


def test_a_share_that_leaves_held_out_recordings_out_is_not_taken(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "data/artifacts", windows(each=4), splits=("validation",))
    assert len(Corpus(share_of(shards, 0.01, tmp_path / "views"), "validation").pools) == 5


def test_findings_pool_the_seeds_and_compare_with_the_first_corpus() -> None:
    given = settings("metrics=[wer]", "seeds=[0,1]", "resamples=200")
    found = list(findings(given, {cell: answers_of(cell) for cell in given.cells()}))
    first, second = found
    assert (first.corpus, first.pooled.value, first.change) == ("filtered", pytest.approx(1 / 6), None)
    assert second.by_seed == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert second.change is not None and second.change.low is not None and second.change.low > 0
    assert list(table_lines(found))[2].startswith("| demo | 1 | filtered | wer | 0.167 (0.")
    with pytest.raises(UserError, match="metric 'wter' is none of transcription; have"):
        list(findings(replace(given, metrics=["wter"]), {cell: answers_of(cell) for cell in given.cells()}))


def test_a_study_does_what_is_not_done_and_draws_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done: list[str] = []
    logged = MagicMock()
    monkeypatch.setattr(study, "make_corpus", lambda _settings, corpus: f"shards/of/{corpus}")
    monkeypatch.setattr(study, "is_trained", lambda _settings, cell: cell.seed == 0)
    monkeypatch.setattr(study, "run_command", lambda command: done.append(command[-2]))
    monkeypatch.setattr(study, "ask", lambda _settings, cell, _shards: answers_of(cell))
    monkeypatch.setattr(study, "share_of", lambda shards, share, _folder: f"{shards}-{share:g}")
    monkeypatch.setattr(study, "start_run", lambda *_: nullcontext(logged))
    run("metrics=[wer]", "seeds=[0,1]", "shares=[0.5,1]", "resamples=20")
    assert len(done) == 4
    assert "| demo | 0.5 | unfiltered | wer |" in capsys.readouterr().out
    files = {path.name for path in Path("runs/filters").iterdir()}
    assert files == {"wer.png", "wer-by-share.png", "table.md"}
    assert logged.log_artifact.call_count == 3
    assert logged.log_metrics.call_args_list[0].args[0] == {"filtered-demo-0.5/wer": pytest.approx(1 / 6)}


def test_a_corpus_is_made_once_for_each_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/study/latest").mkdir(parents=True)
    (tmp_path / "data/study/latest/shards.json").write_text('{"shards_uri": "data/study/x/y/z"}')
    made: list[Any] = []
    monkeypatch.setattr(studying, "run_command", made.append)
    for _ in range(2):
        assert studying.make_corpus(settings(), "filtered") == str(tmp_path / "data/study/x/y/z")
    assert len(made) == 1
    studying.make_corpus(settings("ingest=['embedded.scale=0.5']"), "filtered")
    assert len(made) == 2


def test_a_command_that_fails_ends_the_study() -> None:
    run_command([sys.executable, "-c", "pass"])
    with pytest.raises(DataError, match="command ended with 3: .*; expected 0; mend it and run the study again"):
        run_command([sys.executable, "-c", "raise SystemExit(3)"])
