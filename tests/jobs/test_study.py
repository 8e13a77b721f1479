"""A study's cells and commands, its corpora and their shares, and what becomes of a cell that fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from jobs import study
from jobs.studying import answers, corpora, files, running
from jobs.studying.answers import ask
from jobs.studying.checking import check
from jobs.studying.commands import claim
from jobs.studying.corpora import View, make_corpus, view_of
from jobs.studying.processes import EXIT_STOPPED, run_command
from jobs.studying.settings import Cell, Settings, read_settings
from model.data.corpus import Corpus
from model.evaluation.evaluate import Utterance
from model.evaluation.timing import Timing
from pipeline.errors import DataError, QuarantineError, UserError
from pipeline.takedown import Entry, Takedowns, put_in_force
from tests.contract.test_configs import CONF, composed
from tests.model.evaluation.test_evaluation import told
from tests.model.tiny_shards import Window, windows, write_shards


def settings(*overrides: str) -> Settings:
    return read_settings(OmegaConf.create(composed("study", *overrides)[0]))


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
    cells = settings("+sizes.tiny=[]", "shares=[0.5,1.0]", "seeds=[3,4]").cells()
    assert len(set(cells)) == 16 and {cell.seed for cell in cells[:8]} == {3}
    assert cells[1].run_name("s") == "s/unfiltered-demo-0.5-3"
    assert cells[1].checkpoint("s") == Path("runs/s/unfiltered-demo-0.5-3/checkpoints/last.ckpt")
    fewer = settings("shares=[0.5,1.0]", "+corpora.unfiltered.shares=[1.0]", "seeds=[0]").cells()
    assert [(cell.corpus, cell.share) for cell in fewer] == [("filtered", 0.5), ("filtered", 1), ("unfiltered", 1)]
    assert {cell.corpus for cell in settings("~corpora.unfiltered").cells()} == {"filtered"}


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("shares=[0]", r"share 0 cannot be taken; expected a number above 0 and up to 1; mend shares"),
        ("shares=[half]", r"share 'half' cannot be taken; expected a number"),
        ("shares=[]", r"study has shares \[\]; expected one or more, none twice; mend shares"),
        ("seeds=[1,1]", r"study has seeds \[1, 1\]; expected one or more, none twice; mend seeds"),
        ("metrics=[wter]", r"metric 'wter' does not exist; .*did you mean 'wer'"),
        ("resamples=many", r"setting resamples 'many' is a str; expected int; mend it"),
        ("+share=1", r"setting 'share' does not exist; .*did you mean 'shares'"),
        (
            "+corpora.unfiltered.rule=true",
            r"setting of corpora.unfiltered 'rule' does not exist; .*did you mean 'rules'",
        ),
        ("corpora.unfiltered.rules=no_", r"setting rules 'no_' is a str; expected bool"),
        (
            "+corpora.unfiltered.shares=[0.5]",
            r"corpora.unfiltered.shares \[0.5\] are none of the study's; expected some",
        ),
    ],
)
def test_a_setting_of_no_use_is_told_before_any_work(override: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        settings(override)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("+sizes.huge=[]", "size 'huge' cannot be trained: .*huge"),
        (
            "+sizes.odd=['size=demo','size.n_text_ctx=8']",
            "size 'odd' cannot be trained: loader.tasks.max_tokens 128 exceeds",
        ),
        ("train=['+experiment=demo','optimisation.steps=3']", "size 'demo' cannot be trained: .*optimisation.steps"),
        ("ingest=['embedded.scal=1']", "corpus 'filtered' cannot be ingested: .*scal"),
        ("evaluate=['splitt=test']", "trained cells cannot be asked: .*splitt"),
    ],
)
def test_a_mistake_in_a_cell_s_settings_is_told_before_any_work(override: str, complaint: str) -> None:
    given = settings(override)
    with initialize_config_dir(str(CONF), version_base=None), pytest.raises(UserError, match=complaint):
        check(given)


def test_explaining_prints_the_commands_a_person_would_type(capsys: pytest.CaptureFixture[str]) -> None:
    run("explain=true")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 6
    assert "jobs/ingest.py" in lines[0] and "rules=" not in lines[0]
    assert "'checks.timing.rules=[]' 'checks.timing.examples=[]'" in lines[1] and "checks.silence.rules" in lines[1]
    assert "+experiment=demo" in lines[2] and "data.shards=SHARDS_OF_filtered_1 loader.seed=0" in lines[2]
    run("explain=true", "study=scale")
    assert "size=demo size.n_audio_state=64" in capsys.readouterr().out.splitlines()[2]


def test_a_share_is_part_of_every_larger_one_and_leaves_held_out_speech_alone(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "data/artifacts", windows(each=20))
    put_in_force(str(tmp_path / "data"), Takedowns((Entry("recording", "transcribe-en-0"),)))
    views = {share: view_of(shards, share, shards, tmp_path / "views") for share in (0.25, 0.5, 1.0)}
    assert views[1.0].shards == shards
    quarter, half, whole = (standing(views[share].shards, "train") for share in (0.25, 0.5, 1.0))
    assert quarter < half < whole and "transcribe-en-0" not in whole
    assert len(quarter) == pytest.approx(20, abs=8) and len(half) == pytest.approx(40, abs=9)
    assert 0 < views[0.25].hours < views[0.5].hours < views[1.0].hours
    assert view_of(shards, 0.5, shards, tmp_path / "views") == views[0.5]
    with pytest.raises(UserError, match=r"share 0\.5 of s3://b/x/y cannot be taken; expected a local shard folder"):
        view_of("s3://b/x/y", 0.5, shards, tmp_path)


def test_a_share_without_speech_is_told(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "data/artifacts", windows(each=4))
    with pytest.raises(UserError, match=r"share 0\.001 of .* has no transcribed speech to train on; .*a larger share"):
        view_of(shards, 0.001, shards, tmp_path / "views")


def test_all_cells_are_watched_on_what_the_judging_corpus_holds_out(tmp_path: Path) -> None:
    samples = [Window(kind="transcribe", lang="en", number=number, recording=f"r{number}") for number in range(6)]
    clean = write_shards(tmp_path / "clean/artifacts", samples[:3])
    dirty = write_shards(tmp_path / "dirty/artifacts", samples)
    view = view_of(dirty, 1.0, clean, tmp_path / "views")
    assert standing(dirty, "validation") > standing(view.shards, "validation") == {"r0", "r1", "r2"}


def standing(shards: str, split: str) -> set[str]:
    corpus = Corpus(shards, split)
    pairs = [(stream, place) for stream in corpus.pools for place in corpus.places(stream)]
    return {corpus.read(*pair).recording_id for pair in pairs}


def test_a_corpus_is_made_once_for_each_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/study/latest").mkdir(parents=True)
    (tmp_path / "data/study/x/y/z").mkdir(parents=True)
    (tmp_path / "data/study/latest/shards.json").write_text('{"shards_uri": "data/study/x/y/z"}')
    made: list[Any] = []
    monkeypatch.setattr(corpora, "run_command", made.append)
    for _ in range(2):
        assert make_corpus(settings(), "filtered") == str(tmp_path / "data/study/x/y/z")
    assert len(made) == 1
    make_corpus(settings("ingest=['embedded.scale=0.5']"), "filtered")
    (tmp_path / "data/study/x/y/z").rmdir()
    make_corpus(settings("ingest=['embedded.scale=0.5']"), "filtered")
    assert len(made) == 3


def test_a_run_of_other_settings_is_not_taken_for_the_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cell = settings().cells()[0]
    claim(settings(), cell, "shards")
    claim(settings("tracking.experiment=other"), cell, "shards")
    with pytest.raises(
        UserError, match=r"run runs/filters/filtered-demo-1-0 was made with other .*'data.shards=others'"
    ):
        claim(settings(), cell, "others")


def test_answers_are_kept_and_the_same_checkpoint_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cell, asked = settings().cells()[0], list[Any]()
    folder = cell.checkpoint("filters").parent
    folder.mkdir(parents=True)
    (folder / "step-1.ckpt").write_text("")
    cell.checkpoint("filters").symlink_to("step-1.ckpt")
    given = [replace(one, timing=Timing(errors_ms=(5, 7), num_edges=4), nll=2.5) for one in answers_of(cell)]
    nobody = replace(given[0], item=replace(given[0].item, task="no_speech"))

    def answer(*_: Any) -> dict[Any, Any]:
        asked.append(1)
        return {("test", "clean"): [*given, nobody]}

    monkeypatch.setattr(answers, "compose", lambda *_: None)
    monkeypatch.setattr(answers, "read_settings", lambda _: (None, None))
    monkeypatch.setattr(answers, "list_items", lambda _: None)
    monkeypatch.setattr(answers, "answer", answer)
    first, second = ask(settings(), cell, "shards"), ask(settings(), cell, "shards")
    assert len(asked) == 1 and first == given
    assert [replace(one, item=given[0].item) for one in second] == [replace(one, item=given[0].item) for one in given]
    assert [one.item.text for one in second] == [one.item.text for one in given]
    ask(settings(), cell, "others")
    assert len(asked) == 2
    given.clear()
    with pytest.raises(UserError, match="evaluation .* has nothing to transcribe; expected speech with text"):
        ask(settings("evaluate=[]"), cell, "others")


def test_a_study_does_what_is_not_done_and_a_cell_that_fails_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done: list[str] = []
    logged = MagicMock()

    def train(command: list[str]) -> None:
        done.append(next(word for word in command if word.startswith("name=")))
        if "filtered-demo-0.5-1" in done[-1]:
            raise DataError("command ended with 9: train; expected 0")

    monkeypatch.setattr(study, "make_corpus", lambda _settings, corpus: f"shards/of/{corpus}")
    monkeypatch.setattr(study, "view_of", lambda shards, share, *_: View(shards=f"{shards}-{share:g}", hours=share))
    monkeypatch.setattr(running, "is_trained", lambda _settings, cell: cell.seed == 0)
    monkeypatch.setattr(running, "run_command", train)
    monkeypatch.setattr(running, "ask", lambda _settings, cell, _shards: answers_of(cell))
    monkeypatch.setattr(files, "num_parameters", lambda *_: 1_500_000)
    monkeypatch.setattr(files, "start_run", lambda *_: nullcontext(logged))
    metrics = Path("runs/filters/filtered-demo-1-0/metrics.jsonl")
    metrics.parent.mkdir(parents=True)
    rows = [{"step": step, "metrics": {"held_out/wer/transcribe-en": 1 / step}} for step in (1, 2)]
    metrics.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with pytest.raises(QuarantineError, match=r"2 of 8 cells failed: \['filters/filtered-demo-0.5-1', 'filters/un"):
        run("metrics=[wer]", "seeds=[0,1]", "shares=[0.5,1]", "resamples=20")
    told = capsys.readouterr()
    assert len(done) == 4 and "[5/8] filters/filtered-demo-0.5-1 FAILED: command ended with 9" in told.err
    assert "| demo | 0.5 | 30.0 | unfiltered | 0.333" in told.out and "runs/filters/index.html" in told.out
    written = {path.name for path in Path("runs/filters").iterdir() if path.is_file()}
    assert written == {"wer.png", "wer-by-hours.png", "wer-steps.png", "curve-wer.png", "table.md", "index.html"}
    assert "demo: 1.50 M parameters." in Path("runs/filters/index.html").read_text()
    assert logged.log_artifact.call_count == 6
    assert logged.log_metrics.call_args_list[0].args[0] == {"filtered-demo-0.5/wer": pytest.approx(1 / 6)}


def test_a_command_that_fails_is_named_with_its_code() -> None:
    run_command([sys.executable, "-c", "pass"])
    with pytest.raises(DataError, match="command ended with 3: .*; expected 0; mend it and run the study again"):
        run_command([sys.executable, "-c", "raise SystemExit(3)"])


def test_who_stops_a_study_stops_the_command_in_its_middle(tmp_path: Path) -> None:
    child = f"import time; open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid())); time.sleep(60)"
    code = (
        "import sys\nfrom jobs.studying.processes import run_command, stopping\n"
        f"with stopping():\n    run_command([sys.executable, '-c', {child!r}])\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=CONF.parent)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(timeout=60) == EXIT_STOPPED
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
