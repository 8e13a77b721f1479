from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from jobs import evaluate, train
from jobs.tracking.runs import flatten, start_run
from jobs.training.parts import read_settings
from model import mel
from pipeline.errors import UserError
from tests.contract.test_configs import composed
from tests.contract.tree import ROOT
from tests.model.tiny_shards import windows, write_shards

Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a job as a person would, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_job(main: Callable[[DictConfig], None], *arguments: str) -> None:
        name = main.__module__.rsplit(".", 1)[-1]
        config, _ = composed(name, *arguments, f"tracking.uri=sqlite:///{tmp_path}/mlflow.db")
        main(OmegaConf.create(config))

    return run_job


def settings(*overrides: str):  # type: ignore[no-untyped-def]
    return read_settings(OmegaConf.create(composed("train", *overrides)[0]))


def test_training_and_evaluation_work_from_shards_to_a_table(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = write_shards(tmp_path / "artifacts", windows())
    (tmp_path / "data/latest").mkdir(parents=True)
    (tmp_path / "data/latest/shards.json").write_text(f'{{"shards_uri": "{shards}", "fingerprint": "x"}}')
    small = ("+experiment=debug", "optimisation.max_steps=4", "trainer.val_every=2", "vocabulary.size=262")
    run(train.main, *small)
    run(train.main, *small, "name=deaf", "loader.audio=silence")
    run(evaluate.main, "checkpoint=runs/debug/checkpoints/last.ckpt", "against=[runs/deaf/checkpoints/last.ckpt]")
    printed = capsys.readouterr().out
    assert "step      4/4" in printed and "against runs/deaf/" in printed and "said   " in printed
    rows = pq.read_table("runs/debug/checkpoints/eval-validation.parquet").to_pylist()
    assert {"wer", "cer", "accuracy", "loss"} <= {row["metric"] for row in rows}


def test_a_missing_ingest_is_one_line_that_says_what_to_do(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(train.main, "+experiment=debug")
    assert stopped.value.code == 2
    assert "run make ingest first" in capsys.readouterr().err


def test_a_dry_run_needs_no_shards_and_tells_memory_and_cost(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    mel._bands.cache_clear()  # pyright: ignore[reportPrivateUsage]
    run(train.main, "+experiment=large", "size=tiny", "loader.batch_size=256", "dry_run=true")
    assert float(mel.mel_filters(80, torch.device("cpu")).sum()) > 0  # real, after the fake ones
    printed = capsys.readouterr().out
    for words in ("mel [2, 80, 3000]", "37,184,640", "activations", "GPU-hours"):
        assert words in printed


EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf/experiment").glob("*.yaml"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_typed(name: str) -> None:
    given = ["start.checkpoint=any"] if name in ("finetune", "lora") else []
    made = settings(f"+experiment={name}", *given)
    assert made.name == name and made.dims(n_vocab=1000).n_vocab == 1000


def test_the_large_experiment_is_whispers_large() -> None:
    made = settings("+experiment=large")
    dims = made.dims(made.vocabulary.build(lambda: []).tokenizer().n_vocab)
    assert (dims.n_audio_layer, dims.n_audio_state, dims.n_audio_head, dims.n_vocab) == (32, 1280, 20, 51865)
    assert (made.loader.batch_size, made.optimisation.max_steps) == (1024, 655_360)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("+optimisation.learning_rte=1", "did you mean 'learning_rate'"),
        ("+loader.augment.sped=0.1", "did you mean 'speed'"),
        ("+trainr.devices=2", "did you mean 'trainer'"),
        ("loader.tasks.max_tokens=1000", "max_tokens 1000 exceeds n_text_ctx 128"),
        ("mixture._target_=os.system", "is not allowed"),
    ],
)
def test_a_wrong_setting_is_an_error_before_any_work(override: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        settings("+experiment=debug", override).dims(1000)


def test_a_setting_without_a_value_is_named() -> None:
    with pytest.raises(UserError, match=r"settings \['name', .*\] have no value"):
        settings()


def test_parameters_are_flat_and_secrets_are_masked() -> None:
    flat = flatten({"a": {"b": 1, "api_token": "x"}, "c": [1, 2]})
    assert flat == {"a.b": "1", "a.api_token": "***", "c": "[1, 2]"}


def test_a_run_that_fails_is_marked_as_failed(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with pytest.raises(ValueError, match="broken"), start_run(uri, "tests", "first", {}) as failed:
        raise ValueError("broken")
    with start_run(uri, "tests", "second", {"a": 1}) as finished:
        finished.log_metrics({"loss": 0.5}, step=3)
    client = MlflowClient(tracking_uri=uri)
    assert client.get_run(failed.run_id).info.status == "FAILED"
    good = client.get_run(finished.run_id)
    assert (good.info.status, good.data.metrics["loss"], good.data.params["a"]) == ("FINISHED", 0.5, "1")
