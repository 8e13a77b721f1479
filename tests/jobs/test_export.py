"""Exporting and evaluating models as a person would."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from jobs import evaluate, export
from model.checkpoint import load
from model.formats import openai
from tests.contract.test_configs import composed
from tests.model.test_export import loaded


def test_a_checkpoint_is_exported_and_its_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    openai.write(loaded().bundle(), tmp_path / "model.pt")
    arguments = (f"checkpoint={tmp_path}/model.pt", "format=huggingface", f"out={tmp_path}/out")
    export.main(OmegaConf.create(composed("export", *arguments)[0]))
    assert f"{tmp_path}/out/model.safetensors  0." in capsys.readouterr().out
    assert load(f"{tmp_path}/out").tokenizer.fingerprint == loaded().tokenizer.fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "error: settings ['checkpoint', 'format', 'out'] have no value; they are required; give each as checkp"),
        (("checkpoint=x", "out=y", "format=onnx"), "error: format 'onnx' does not exist; have ["),
        (("checkpoint=x", "out=y", "format=ggml"), "error: checkpoint x does not exist; expected a .ckpt"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        export.main(OmegaConf.create(composed("export", *arguments)[0]))
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_model_of_others_is_evaluated_on_shards_that_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    openai.write(loaded().bundle(), tmp_path / "model.pt")
    with pytest.raises(SystemExit):
        evaluate.main(OmegaConf.create(composed("evaluate", f"checkpoint={tmp_path}/model.pt")[0]))
    assert "model.pt names no shards; expected a split to decode; give shards=FOLDER" in capsys.readouterr().err
