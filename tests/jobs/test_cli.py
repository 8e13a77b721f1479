"""Every command ends with an exit code that tells what happened, and one line for people."""

from __future__ import annotations

import json
import re
import sys

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from jobs.command.cli import command
from jobs.command.config import CONF, instantiate, typed
from jobs.command.mistakes import explain, unknown_setting
from jobs.running.executor import ExecutorConfig
from pipeline.errors import DataError, QuarantineError, UserError


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UserError("a 1 is wrong; expected 2; mend it"), 2, "error: a 1 is wrong; expected 2; mend it"),
        (DataError("shard 'x' is cut; expected whole"), 1, "error: shard 'x' is cut; expected whole"),
        (QuarantineError("stage 'fetch' failed"), 3, "error: stage 'fetch' failed"),
        (KeyboardInterrupt(), 130, "error: interrupted; what is finished stays; run the same command again"),
        (PermissionError(13, "Permission denied", "data"), 1, "error: file or network 'data' Permission denied;"),
        (DataError("title \x1b[2J"), 1, "error: title ?[2J"),
    ],
)
def test_an_error_is_one_line_and_a_code(
    error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @command("ingest")
    def fails(cfg: object) -> None:
        raise error

    with pytest.raises(SystemExit) as stopped:
        fails(OmegaConf.create({}))
    assert stopped.value.code == code
    assert capsys.readouterr().err.startswith(text)


def test_our_own_mistake_keeps_its_stack_trace() -> None:
    @command("ingest")
    def fails(cfg: object) -> None:
        raise AssertionError("rows are lost")

    with pytest.raises(AssertionError, match="rows are lost"):
        fails(OmegaConf.create({}))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("fetch.http.delay=3", "setting 'fetch.http.delay' does not exist; .* did you mean 'fetch.http.delay_s'"),
        ("source=fodler", "source 'fodler' does not exist; .*; did you mean 'folder'?"),
        ("data_root", "argument 'data_root' cannot be read; expected name=value"),
        ("~nope", "setting 'nope' does not exist; have "),
    ],
)
def test_settings_that_do_not_compose_are_told_in_our_words(
    argument: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @command("ingest")
    def main(cfg: object) -> None:
        raise AssertionError("work began")

    monkeypatch.setattr(sys, "argv", ["ingest.py", argument])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.match(f"error: {message}", line), line


@pytest.mark.parametrize("job", ["ingest", "transcribe"])
def test_every_job_in_units_can_give_each_a_gpu_or_a_share_of_one(job: str) -> None:
    with initialize_config_dir(CONF, version_base=None):
        found = [typed(ExecutorConfig, compose(job, given).executor) for given in ([], ["executor.num_gpus=0.25"])]
    assert [config.num_gpus for config in found] == [0, 0.25]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data_root=${nope}", "settings cannot be put together: Interpolation key 'nope' not found"),
        ("executor.units_in_flight=x", "setting units_in_flight 'x' is a str; expected int; mend it"),
        (
            "+executor.units_in_flights=1",
            "setting 'units_in_flights' does not exist; .* did you mean 'units_in_flight'",
        ),
        ("decide.test_share=abc", "setting test_share 'abc' is a str; expected float; mend it"),
        ("fetch.http.allow_private=1", "setting allow_private 1 is a int; expected bool; mend it"),
    ],
)
def test_values_of_the_wrong_kind_are_told(override: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    @command("ingest")
    def main(cfg: DictConfig) -> None:
        typed(ExecutorConfig, cfg.executor)
        [instantiate(node) for node in (cfg.decide, cfg.fetch)]
        assert cfg.data_root, "never so"

    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("ingest", [override])
    with pytest.raises(SystemExit) as stopped:
        main(cfg)
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.match(f"error: {message}", line), line


def test_an_error_is_json_where_the_log_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    @command("ingest")
    def main(cfg: DictConfig) -> None:
        raise AssertionError("work began")

    monkeypatch.setattr(sys, "argv", ["ingest.py", "source=fodler", "log=json"])
    with pytest.raises(SystemExit):
        main()
    event = json.loads(capsys.readouterr().err)
    assert (event["event"], event["exit"]) == ("error", 2) and event["text"].startswith("source 'fodler' does not")


def test_an_unknown_setting_names_those_beside_it_or_the_same_name_elsewhere() -> None:
    assert "'delay_s' does not exist; have ['fetch.http.delay_s']; choose" in str(unknown_setting("delay_s", "ingest"))
    assert "'decide.test_share'" in str(unknown_setting("decide.test_shares", "ingest"))
    assert "'data_root'" in str(unknown_setting("nothing.like.it", "ingest"))


def test_what_is_not_known_of_hydra_is_told_in_its_first_line() -> None:
    from hydra.errors import HydraException

    told = explain(HydraException("It is\n  broken\nand long"), "train", [])
    assert str(told) == "settings cannot be put together: It is; expected those of conf/train.yaml; mend them"
