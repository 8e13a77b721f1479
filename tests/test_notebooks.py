"""Notebooks are committed without outputs, hold no logic, and run on what ingest, training and evaluation leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from mlflow.tracking import MlflowClient
from nbclient import NotebookClient

from pipeline import tables
from pipeline.schema import EVAL_RESULT

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
AFTER_TRAINING = ("training_curves", "errors_by_language")  # the others: tests/jobs/test_ingest.py
RESULT = {
    "checkpoint": "runs/demo/checkpoints/last.ckpt",
    "eval_set": "shards",
    "source": "all",
    "lang": "sw",
    "task": "transcribe",
    "metric": "wer",
    "value": 0.5,
    "num_utterances": 1,
    "normaliser": "sotto-basic-1",
}
SAID = {"task": "transcribe", "lang": "sw", "reference": "moja mbili tatu", "hypothesis": "moja tatu nne"}


def cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_no_logic(path: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in cells(path))
    assert "def " not in text
    assert "class " not in text


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leave what a training run and an evaluation leave, in small."""
    root = tmp_path_factory.mktemp("trained")
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    run = client.create_run(client.create_experiment("train"), run_name="demo")
    for step in range(3):
        for name in ("train/all", "held_out/all", "held_out/transcribe-sw"):
            client.log_metric(run.info.run_id, name, 7.0 - step, step=step)
    folder = root / "runs" / "demo" / "checkpoints" / "eval"
    folder.mkdir(parents=True)
    row = {name: RESULT.get(name) for name in EVAL_RESULT.names}
    (folder / "results.parquet").write_bytes(tables.to_parquet(tables.from_rows([row], EVAL_RESULT)))
    (folder / "utterances.jsonl").write_text(json.dumps(SAID) + "\n")
    return root


def test_notebooks_run_on_what_training_and_evaluation_leave(trained: Path) -> None:
    """One after the other in one kernel, which takes longer to start than they do."""
    joined = nbformat.v4.new_notebook()
    for name in AFTER_TRAINING:
        notebook = nbformat.read(next(path for path in NOTEBOOKS if path.stem == name), as_version=4)
        joined.cells += [*notebook.cells, nbformat.v4.new_code_cell("%reset -f")]
    NotebookClient(joined, timeout=120, resources={"metadata": {"path": str(trained)}}).execute()
    outputs = [output for cell in joined.cells for output in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "transcribe sw: 66.7% of 1 utterances" in printed and "mbili" in printed
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
