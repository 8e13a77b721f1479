"""Runs in MLflow: the one file that knows it. Always a given tracking URI, flat parameters, batched metrics.

MLflow is imported when the first run starts: its import takes seconds and would report usage to its makers.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch.loggers import MLFlowLogger
    from mlflow.tracking import MlflowClient

SECRET_WORDS = ("key", "token", "secret", "password")
MAX_PARAM_CHARS = 6000  # MLflow's own limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An open run."""

    tracking_uri: str
    run_id: str

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log numbers of one step in one call."""
        from mlflow.entities import Metric

        now_ms = time.time_ns() // 1_000_000
        batch = [Metric(name, float(value), now_ms, step) for name, value in metrics.items()]
        _client(self.tracking_uri).log_batch(self.run_id, metrics=batch)

    def log_artifact(self, path: str) -> None:
        """Keep a file with the run."""
        _client(self.tracking_uri).log_artifact(self.run_id, path)

    def lightning_logger(self) -> MLFlowLogger:
        """Return a Lightning logger that writes to this run."""
        from lightning.pytorch.loggers import MLFlowLogger

        return MLFlowLogger(tracking_uri=self.tracking_uri, run_id=self.run_id)


@contextmanager
def start_run(tracking_uri: str, experiment: str, name: str, params: Mapping[str, Any]) -> Generator[Run]:
    """Open a run and close it as finished, or as failed when the block raises."""
    client = _client(tracking_uri)
    from mlflow.entities import Param

    found = client.get_experiment_by_name(experiment)
    experiment_id = found.experiment_id if found else client.create_experiment(experiment)
    run_id = client.create_run(experiment_id, run_name=name).info.run_id
    flat = flatten(params)
    client.log_batch(run_id, params=[Param(key, value) for key, value in flat.items()])
    status = "FAILED"
    try:
        yield Run(tracking_uri=tracking_uri, run_id=run_id)
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as 'a.b': text; values of keys that sound secret are masked."""
    flat: dict[str, str] = {}
    for key, value in params.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{path}.")
        elif str(key).lower().endswith(SECRET_WORDS):
            flat[path] = "***"
        else:
            flat[path] = str(value)[:MAX_PARAM_CHARS]
    return flat


def _client(tracking_uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri)
