"""Runs in MLflow: the one file that knows it. Always a given tracking URI, flat parameters, batched metrics.

MLflow is imported when the first run starts: its import takes seconds and would report usage to its makers.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.tracking.spool import Away, Entry, Refused, Version
from pipeline.errors import UserError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SECRET_WORDS = ("key", "token", "secret", "password")
MAX_PARAM_CHARS = 6000  # MLflow's own limit
MAX_METRICS = 1000  # of a batch, MLflow's own limit
REPORT_PARAM = "artifact.shard_index"  # of an ingest's run: the shards its quality report is about
REPORT_TAG, TABLES_TAG = "sotto.quality_report_run", "mlflow.loggedArtifacts"
BEST, LOSS_TAG = "best", "held_out_loss"
MAX_CAUSE_CHARS = 200
SERVERS = ("http:", "https:")
TRY_AGAIN = (408, 429)  # too late, too many
ANSWER_S, TRIES = 10, 1  # how long one question to a server may take: the spool asks again
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An open run."""

    tracking_uri: str
    run_id: str

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log nested settings, flat and without secrets."""
        from mlflow.entities import Param

        _client(self.tracking_uri).log_batch(
            self.run_id, params=[Param(key, value) for key, value in flatten(params).items()]
        )

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
        """Log what a spool has, each thing once however often it is sent; Away when nobody answers."""
        from mlflow.entities import Metric

        metrics = [
            Metric(name, float(value), entry.time_ms, entry.step)
            for entry in entries
            for name, value in entry.metrics.items()
        ]
        with asking():
            for start in range(0, len(metrics), MAX_METRICS):
                _client(self.tracking_uri).log_batch(self.run_id, metrics=metrics[start : start + MAX_METRICS])
            for entry in entries:
                if entry.file is not None and Path(entry.file).exists():
                    self.log_artifact(entry.file, entry.folder)
                if entry.version is not None:
                    self.register(entry.version)

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

    def register(self, version: Version) -> str:
        """Register a checkpoint as a model's version, once; the alias `best` goes to the lowest loss. Its number."""
        from mlflow.exceptions import MlflowException

        client = _client(self.tracking_uri)
        name = version.model.replace("/", "-").replace(":", "-")  # MLflow allows neither in a model's name
        source, tags = self._source(version), {LOSS_TAG: f"{version.held_out_loss:.6f}"}
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        there = client.search_model_versions(f"name = '{name}' and run_id = '{self.run_id}'")
        same = [found for found in there if found.source == source and found.tags.get(LOSS_TAG) == tags[LOSS_TAG]]
        number = (same or [client.create_model_version(name, source, self.run_id, tags=tags)])[0].version
        try:
            best = float(client.get_model_version_by_alias(name, BEST).tags[LOSS_TAG])
        except MlflowException as error:
            if not _is_refusal(error):
                raise
            best = float("inf")  # there is none yet
        if version.held_out_loss <= best:
            client.set_registered_model_alias(name, BEST, number)
        return str(number)

    def _source(self, version: Version) -> str:
        """Return where a checkpoint is; a server takes no address but of its own files, so one of them says where."""
        path = Path(version.checkpoint).absolute()
        if not self.tracking_uri.startswith(SERVERS):
            return path.as_uri()
        note = f"checkpoints/{path.stem}.json"
        where = {"host": socket.gethostname(), "path": str(path), LOSS_TAG: version.held_out_loss}
        _client(self.tracking_uri).log_dict(self.run_id, where, note)
        return f"runs:/{self.run_id}/{note}"

    def end(self, status: str) -> None:
        """Say how the run ended: FINISHED, KILLED or FAILED; nobody there to hear it is a line in the log."""
        try:
            with asking():
                _client(self.tracking_uri).set_terminated(self.run_id, status)
        except Away as error:
            log.warning("run %s could not be marked as %s: %s", self.run_id, status, error)


@contextmanager
def start_run(tracking_uri: str, experiment: str, name: str, params: Mapping[str, Any]) -> Generator[Run]:
    """Open a run and close it: finished, killed when asked to stop, or failed when the block raises."""
    try:
        with asking():
            run = open_run(tracking_uri, experiment, name)
            run.log_params(params)
    except Away as error:
        raise no_run(tracking_uri, error) from error
    with ended(run.end):
        yield run


@contextmanager
def ended(end: Callable[[str], None]) -> Generator[None]:
    """Call `end` with the status of a block: finished, killed when it was asked to stop, or failed."""
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    except SystemExit:
        status = "KILLED"
        raise
    finally:
        end(status)


def open_run(tracking_uri: str, experiment: str, name: str, run_id: str | None = None) -> Run:
    """Begin a run, or go on with one that was begun before."""
    client = _client(tracking_uri)
    if run_id is not None:
        client.update_run(run_id, status="RUNNING")
        return Run(tracking_uri=tracking_uri, run_id=run_id)
    found = client.get_experiment_by_name(experiment)
    experiment_id = found.experiment_id if found else client.create_experiment(experiment)
    return Run(tracking_uri=tracking_uri, run_id=client.create_run(experiment_id, run_name=name).info.run_id)


@contextmanager
def asking() -> Generator[None]:
    """Make what MLflow raises one of ours: Refused for an answer that says no, Away for none."""
    try:
        from mlflow.exceptions import MlflowException
    except ModuleNotFoundError as error:
        raise Refused(str(error)) from error
    try:
        yield
    except ModuleNotFoundError as error:
        raise Refused(str(error)) from error
    except (MlflowException, OSError) as error:
        kind = Refused if _is_refusal(error) else Away
        raise kind(str(error).splitlines()[0].partition(" with exception")[0][:MAX_CAUSE_CHARS]) from error


def no_run(tracking_uri: str, error: Away) -> UserError:
    """Say why there is no run, and what to do."""
    what, mend = "does not answer", "a server or store that takes runs; start or mend it"
    if isinstance(error, Refused):
        what = "cannot be used"
    if isinstance(error.__cause__, ModuleNotFoundError):
        mend = "package mlflow; run pip install mlflow"
    return UserError(
        f"tracking.uri {tracking_uri} {what}: {error}; expected {mend}, or give tracking.uri=null to go without"
    )


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


def _is_refusal(error: Exception) -> bool:
    """Tell an answer that says no from no answer."""
    from mlflow.exceptions import MlflowException

    code = error.get_http_status_code() if isinstance(error, MlflowException) else None
    return code is not None and code < 500 and code not in TRY_AGAIN


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
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it tells of every try
    return MlflowClient(tracking_uri=tracking_uri)
