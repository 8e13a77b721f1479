"""Runs in MLflow: the one file that knows it. Always a given tracking URI, flat parameters, batched metrics.

MLflow is imported when the first run starts: its import takes seconds and would report usage to its makers.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.tracking.spool import Away, Entry
from pipeline.errors import UserError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SECRET_WORDS = ("key", "token", "secret", "password")
MAX_PARAM_CHARS = 6000  # MLflow's own limit
MAX_METRICS = 1000  # of a batch, MLflow's own limit
REPORT_PARAM = "artifact.shard_index"  # of an ingest's run: the shards its quality report is about
REPORT_TAG, TABLES_TAG = "sotto.quality_report_run", "mlflow.loggedArtifacts"
BEST = "best"
ANSWER_S, TRIES = 10, 1  # how long one question to a server may take: the spool asks again
log = logging.getLogger(__name__)


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

    def log_artifact(self, path: str, folder: str | None = None) -> None:
        """Keep a file with the run."""
        _client(self.tracking_uri).log_artifact(self.run_id, path, folder)

    def send(self, entries: Sequence[Entry]) -> None:
        """Log what a spool has; Away when nobody answers."""
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException

        metrics = [
            Metric(name, float(value), entry.time_ms, entry.step)
            for entry in entries
            for name, value in entry.metrics.items()
        ]
        client = _client(self.tracking_uri)
        try:
            for start in range(0, len(metrics), MAX_METRICS):
                client.log_batch(self.run_id, metrics=metrics[start : start + MAX_METRICS])
            for entry in entries:
                if entry.file is not None and Path(entry.file).exists():
                    client.log_artifact(self.run_id, entry.file, entry.folder)
        except (MlflowException, OSError) as error:
            raise Away(str(error)) from error

    def log_table(self, path: str) -> None:
        """Say that an artifact is a table, which the run's page then shows as one."""
        value = json.dumps([{"path": path, "type": "table"}])
        _client(self.tracking_uri).set_tag(self.run_id, TABLES_TAG, value)

    def log_corpus(self, shards_uri: str, fingerprint: str) -> None:
        """Name the shards as the run's input, by their digest, and the run that has their quality report."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        client = _client(self.tracking_uri)
        source = json.dumps({"uri": shards_uri})
        dataset = Dataset(name="shards", digest=fingerprint, source_type="local", source=source)
        client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        experiments = [found.experiment_id for found in client.search_experiments()]
        where = f"params.`{REPORT_PARAM}` = '{fingerprint}'"
        for found in client.search_runs(experiments, where, max_results=1):
            client.set_tag(self.run_id, REPORT_TAG, found.info.run_id)

    def register(self, name: str, checkpoint: str, held_out_loss: float) -> str:
        """Register a checkpoint as a model's version; the alias `best` goes to the lowest held-out loss. Its number."""
        from mlflow.exceptions import MlflowException

        client = _client(self.tracking_uri)
        name = name.replace("/", "-").replace(":", "-")  # MLflow allows neither in a model's name
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        tags = {"held_out_loss": f"{held_out_loss:.6f}"}
        version = client.create_model_version(name, Path(checkpoint).absolute().as_uri(), self.run_id, tags=tags)
        try:
            best = float(client.get_model_version_by_alias(name, BEST).tags["held_out_loss"])
        except MlflowException:  # there is none yet
            best = float("inf")
        if held_out_loss <= best:
            client.set_registered_model_alias(name, BEST, version.version)
        return str(version.version)


@contextmanager
def start_run(
    tracking_uri: str, experiment: str, name: str, params: Mapping[str, Any], memory: Path | None = None
) -> Generator[Run]:
    """Open a run and close it: finished, killed when asked to stop, or failed when the block raises.

    `memory` is a file that names the run; where it is there already, that run goes on.
    """
    try:
        client = _client(tracking_uri)
    except ModuleNotFoundError as error:
        raise UserError(
            f"tracking.uri {tracking_uri} cannot be used: {error}; expected package mlflow; "
            "run pip install mlflow, or give tracking.uri=null to go without"
        ) from error
    from mlflow.entities import Param
    from mlflow.exceptions import MlflowException

    try:
        run_id = _remembered(tracking_uri, memory)
        if run_id is None:
            found = client.get_experiment_by_name(experiment)
            experiment_id = found.experiment_id if found else client.create_experiment(experiment)
            run_id = client.create_run(experiment_id, run_name=name).info.run_id
            client.log_batch(run_id, params=[Param(key, value) for key, value in flatten(params).items()])
            _remember(tracking_uri, memory, run_id)
        else:
            client.update_run(run_id, status="RUNNING")
    except (MlflowException, OSError) as error:
        raise UserError(
            f"tracking server {tracking_uri} does not answer: {error}; expected a running one to start a run; "
            "start it, or give tracking.uri=null to go without"
        ) from error
    status = "FAILED"
    try:
        yield Run(tracking_uri=tracking_uri, run_id=run_id)
        status = "FINISHED"
    except SystemExit:
        status = "KILLED"
        raise
    finally:
        try:
            client.set_terminated(run_id, status)
        except (MlflowException, OSError) as error:
            log.warning("run %s could not be marked as %s: %s", run_id, status, error)


def last_run(tracking_uri: str, experiment: str) -> tuple[str, str]:
    """Return the ids of an experiment and of its last finished run; UserError where there is none."""
    client = _client(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    ids, newest = [found.experiment_id] if found else [], ["attributes.start_time DESC"]
    runs = client.search_runs(ids, "attributes.status = 'FINISHED'", max_results=1, order_by=newest) if ids else []
    if not found or not runs:
        raise UserError(f"experiment {experiment!r} of {tracking_uri} has no finished run; expected one; make it first")
    return found.experiment_id, runs[0].info.run_id


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


def _remembered(tracking_uri: str, memory: Path | None) -> str | None:
    if memory is None or not memory.exists():
        return None
    found = json.loads(memory.read_text())
    return found["run_id"] if found["tracking_uri"] == tracking_uri else None


def _remember(tracking_uri: str, memory: Path | None, run_id: str) -> None:
    if memory is not None:
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps({"tracking_uri": tracking_uri, "run_id": run_id}))


def _client(tracking_uri: str) -> MlflowClient:
    for name, value in (
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", str(ANSWER_S)),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(TRIES)),
    ):
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=tracking_uri)
