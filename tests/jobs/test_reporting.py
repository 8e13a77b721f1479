"""A report is written whole or not at all, once for its artifacts, and against the one before it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from jobs.ingesting import reporting
from jobs.ingesting.reporting import latest_report, publish_report
from jobs.report import main
from pipeline import artifact, store
from pipeline.artifact import Artifact
from pipeline.errors import UserError
from pipeline.schema import SHARD_INDEX
from tests.contract.tree import ROOT
from tests.pipeline.report.run import Tables, changed, tables_of_run

SHARD = {"shard_id": "a", "num_samples": 3, "bytes": 9, "duration_ms": 65_000}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a page of one line: what is in it is tested elsewhere."""
    monkeypatch.setattr(reporting, "to_html", lambda *_: "<!doctype html>")


def settings(root: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        given = [f"data_root={root}", "tracking.uri=null", "source=folder", "source.root=x", *overrides]
        return compose("ingest", given)


def publish(root: Path, tables: Tables, fingerprint: str) -> dict[str, Artifact]:
    row = {name: SHARD.get(name) for name in SHARD_INDEX.names}
    made: dict[str, Artifact] = {}
    for name, table in (tables | {"shard_index": pa.Table.from_pylist([row], schema=SHARD_INDEX)}).items():
        made[name] = Artifact(root_uri=str(root / "artifacts"), name=name, fingerprint=fingerprint)
        artifact.publish_unit(made[name], 0, {0: table}, ())
        artifact.publish_manifest(made[name], {"config": {"share": fingerprint}}, 1)
    return made


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def later() -> Tables:
    verdict = {"kept": True, "reason": "kept", "reasons": [], "kind": "transcribe", "tasks": ["transcribe"]}
    return changed(tables_of_run(), "decision", 6, **verdict)


def test_a_report_has_a_page_its_numbers_and_a_summary_and_is_written_once(tmp_path: Path) -> None:
    made = publish(tmp_path, tables_of_run(), "one")
    text = publish_report(settings(tmp_path), made, None)
    assert text.startswith("1.1 min of 2.0 min of audio are kept")
    last = latest_report(str(tmp_path))
    assert last is not None and store.read_bytes(last["summary_uri"]).decode() == text
    folder = Path(last["report_uri"]).parent
    assert files(folder) == ["report.html", "report.json", "summary.txt"]
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert publish_report(settings(tmp_path), made, None) == text
    assert stamps == {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(list((tmp_path / "reports").iterdir())) == 1


@pytest.mark.usefixtures("quick")
def test_the_next_run_is_compared_with_the_last_and_its_decision(tmp_path: Path) -> None:
    publish_report(settings(tmp_path), publish(tmp_path, tables_of_run(), "one"), None)
    before = latest_report(str(tmp_path))
    publish_report(settings(tmp_path), publish(tmp_path, later(), "two"), None)
    after = latest_report(str(tmp_path))
    assert before is not None and after is not None
    changes = json.loads((Path(after["report_uri"]).parent / "report.json").read_text())["changes"]
    assert changes["name"] == Path(before["report_uri"]).parent.name
    assert [(cell["row"], cell["column"], cell["num"]) for cell in changes["moved"]] == [("fast", "kept", 1)]
    assert changes["settings"] == [{"name": "share", "before": "one", "after": "two"}]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("num_writes", [0, 1, 2, 3, 4])
def test_a_report_killed_after_any_file_is_none_and_the_next_run_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_writes: int
) -> None:
    made = publish(tmp_path, tables_of_run(), "one")
    written: list[str] = []
    real = store.publish

    def killed(uri: str, data: bytes) -> None:
        if len(written) == num_writes:
            raise KeyboardInterrupt
        written.append(uri)
        real(uri, data)

    monkeypatch.setattr(store, "publish", killed)
    with pytest.raises(KeyboardInterrupt):
        publish_report(settings(tmp_path), made, None)
    assert latest_report(str(tmp_path)) is None
    monkeypatch.setattr(store, "publish", real)
    text = publish_report(settings(tmp_path), made, None)
    last = latest_report(str(tmp_path))
    assert last is not None and store.read_bytes(last["summary_uri"]).decode() == text
    assert len(files(tmp_path / "reports")) == 3


@pytest.mark.usefixtures("quick")
def test_make_report_prints_the_last_summary_and_compares_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [publish_report(settings(tmp_path), publish(tmp_path, tables, name), None) for tables, name in _RUNS]
    main(settings(tmp_path))
    assert capsys.readouterr().out == f"{texts[1]}\n"
    last = latest_report(str(tmp_path))
    assert last is not None
    own = Path(last["report_uri"]).parent.name
    main(settings(tmp_path, f"report.against={own}"))
    assert capsys.readouterr().out.splitlines()[0] == texts[1].splitlines()[0]
    assert len(list((tmp_path / "reports").iterdir())) == 3


_RUNS = ((tables_of_run(), "one"), (later(), "two"))


@pytest.mark.usefixtures("quick")
def test_a_report_that_does_not_exist_is_named_with_the_nearest(tmp_path: Path) -> None:
    made = publish(tmp_path, tables_of_run(), "one")
    publish_report(settings(tmp_path), made, None)
    [name] = [path.name for path in (tmp_path / "reports").iterdir()]
    with pytest.raises(UserError, match=rf"report '{name}0' does not exist; .*did you mean '{name}'"):
        publish_report(settings(tmp_path, f"report.against={name}0"), made, None)


def test_without_an_ingest_make_report_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(settings(tmp_path))
    assert stopped.value.code == 2
    assert "holds no report; expected a finished ingest; run make ingest first" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_page_and_numbers_are_logged_as_artifacts_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    metrics: dict[str, float] = {}

    class Run:
        def __enter__(self) -> Run:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def log_artifact(self, path: str) -> None:
            logged.append(Path(path).name)
            assert Path(path).read_text().startswith(("<!doctype html>", "{"))

        def log_metrics(self, values: dict[str, float]) -> None:
            metrics.update(values)

    monkeypatch.setattr(reporting, "start_run", lambda *_: Run())
    publish_report(settings(tmp_path, "tracking.uri=sqlite:///x.db"), publish(tmp_path, tables_of_run(), "one"), None)
    assert logged == ["report.html", "report.json"]
    assert metrics["windows_kept"] == 3 and metrics["hours"] == pytest.approx(120 / 3600)
