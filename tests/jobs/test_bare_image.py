"""Training on a machine that has PyTorch and little else: what is missing is told, what is not needed is not asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.tracking.runs import start_run
from pipeline.errors import UserError
from tests.contract.tree import ROOT
from tests.model.tiny_shards import windows, write_shards

WITHOUT = "import runpy, sys; sys.modules |= dict.fromkeys({missing}); sys.argv = {argv}; "
TRAIN = WITHOUT + f"runpy.run_path({str(ROOT / 'jobs/train.py')!r}, run_name='__main__')"


def end_of(code: str, folder: Path, missing: Sequence[str], *settings: str) -> tuple[int, str]:
    program = code.format(missing=list(missing), argv=["jobs/train.py", *settings])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return run.returncode, (run.stdout or run.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize("package", ["hydra", "omegaconf"])
def test_what_reads_settings_is_asked_for_in_one_line(tmp_path: Path, package: str) -> None:
    assert end_of(TRAIN, tmp_path, [package], "+experiment=debug") == (
        2,
        f"error: package '{package}', which reads settings, is not installed; expected hydra-core and omegaconf; "
        "run pip install hydra-core omegaconf",
    )


def test_training_without_a_server_needs_neither_mlflow_nor_ray(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "shards", windows())
    small = ("+experiment=debug", "optimisation.max_steps=1", "vocabulary.size=262", "tracking.uri=null")
    code, last = end_of(TRAIN, tmp_path, ["mlflow", "ray"], *small, f"data.shards={shards}", "preview.windows=1")
    assert code == 0 and last.endswith("jobs/evaluate.py checkpoint=runs/debug/checkpoints/last.ckpt"), last
    assert (tmp_path / "runs/debug/metrics.jsonl").exists()


def test_a_server_without_mlflow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(
        UserError,
        match="tracking.uri sqlite:///x.db cannot be used: .*mlflow.*; expected package mlflow; "
        "run pip install mlflow, or give tracking.uri=null",
    ):
        start_run("sqlite:///x.db", "train", "debug", {}).__enter__()
