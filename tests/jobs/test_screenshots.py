"""Pictures are small files; without a report, a run or a browser the command says what to do."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from jobs.ingesting import shooting
from jobs.ingesting.shooting import Shot, shoot
from jobs.screenshots import main, write
from jobs.tracking import runs
from pipeline.errors import DataError, UserError
from tests.contract.tree import ROOT


def test_a_picture_is_written_with_few_colours_and_its_size_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(page, format="PNG")
    write(tmp_path / "pictures", {"top": page.getvalue()})
    image = Image.open(tmp_path / "pictures" / "top.png")
    assert (image.mode, image.size) == ("P", (256, 256))
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'pictures' / 'top.png'}  ")


def test_without_a_report_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        settings = compose("screenshots", [f"data_root={tmp_path}"])
    with pytest.raises(SystemExit) as stopped:
        main(settings)
    assert stopped.value.code == 2
    assert "holds no report on this disk; expected a finished ingest; run make ingest" in capsys.readouterr().err


def test_without_a_browser_it_says_what_to_install() -> None:
    with pytest.raises(UserError, match=r"chromium 'no-such-browser' or .*; run: apt-get install chromium"):
        shoot("no-such-browser", {"a": ("about:blank", Shot(width=1, height=1))})


class Client:
    """Answers as MLflow's client does, of one experiment with these runs."""

    def __init__(self, runs: list[str]) -> None:
        self._runs = runs

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id="7") if name == "ingest" else None

    def search_runs(self, ids: list[str], where: str, max_results: int, order_by: list[str]) -> list[Any]:
        assert (ids, where, max_results) == (["7"], "attributes.status = 'FINISHED'", 1)
        assert order_by == ["attributes.start_time DESC"]
        return [SimpleNamespace(info=SimpleNamespace(run_id=run)) for run in self._runs]


def test_the_last_finished_run_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_client", lambda _: Client(["abc"]))
    assert runs.last_run("sqlite:///a.db", "ingest") == ("7", "abc")


@pytest.mark.parametrize("experiment", ["ingest", "other"])
def test_without_a_run_it_says_so(monkeypatch: pytest.MonkeyPatch, experiment: str) -> None:
    monkeypatch.setattr(runs, "_client", lambda _: Client([]))
    with pytest.raises(UserError, match=f"experiment '{experiment}' of sqlite:///a.db has no finished run"):
        runs.last_run("sqlite:///a.db", experiment)


def test_a_server_that_ends_at_once_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shooting.sys, "executable", "true")
    with pytest.raises(DataError, match="MLflow's server does not answer at"), shooting.tracking_server("sqlite:///a"):
        pass
