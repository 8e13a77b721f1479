"""Where a training run writes down how it goes: a spool in its folder, and the MLflow run it is sent to.

Training needs no answer from the server: parameters and the corpus are told when it first answers, checkpoints are
registered through the spool, and a run that ends meanwhile says how to send the rest.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from jobs.tracking.runs import SERVERS, Run, asking, ended, no_run, open_run
from jobs.tracking.showing import FOLDER, TRANSCRIPTS
from jobs.tracking.spool import Away, Entry, Refused, Spool, Version
from jobs.training.parts import Settings, is_first_rank
from model.checkpoint import Card
from model.training.saving import BEST, BEST_RECORD, LAST

METRICS, MEMORY = "metrics.jsonl", "mlflow.json"
PATIENCE_S = 60.0  # for a server that is away when a run ends
SHORT_PATIENCE_S = 10.0  # where a run was asked to stop: Kubernetes kills after 30 s


class Logbook:
    """The MLflow run of a training, opened when its server first answers; a file in the run's folder names it."""

    def __init__(self, settings: Settings, params: Mapping[str, Any], card: Card) -> None:
        """Open nothing yet."""
        self.uri = str(settings.tracking["uri"])
        self._experiment, self._name = str(settings.tracking["experiment"]), settings.name
        self._params, self._card = params, card
        self._memory = settings.run_dir / MEMORY
        self._run: Run | None = None

    def open(self) -> Run:
        """Return the run, begun and described once; Away when nobody answers."""
        if self._run is None:
            with asking():
                known = self._remembered()
                run = open_run(self.uri, self._experiment, self._name, known.get("run_id"))
                if not known.get("is_described"):
                    self._remember(run, is_described=False)
                    run.log_params(self._params)
                    run.log_corpus(str(self._card.shards_uri), str(self._card.shards_fingerprint))
                    run.log_table(f"{FOLDER}/{TRANSCRIPTS}")
                    self._remember(run, is_described=True)
                self._run = run
        return self._run

    def open_now(self) -> None:
        """Begin the run; a server that is away is told, a place that takes no runs is a UserError."""
        try:
            self.open()
        except Refused as error:
            raise no_run(self.uri, error) from error
        except Away as error:
            if not self.uri.startswith(SERVERS):  # of a file or a data base it is known at once
                raise no_run(self.uri, error) from error
            print(
                f"tracking.uri {self.uri} does not answer yet ({error}); training goes on, and reports later",
                flush=True,
            )

    def end(self, status: str) -> None:
        """Say how training ended."""
        if self._run is not None:
            self._run.end(status)

    def send(self, entries: Sequence[Entry]) -> None:
        """Send what a spool has; Away when nobody answers."""
        self.open().send(entries)

    def _remembered(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._memory.read_text()) if self._memory.exists() else {}
        return found if found.get("tracking_uri") == self.uri else {}

    def _remember(self, run: Run, is_described: bool) -> None:
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        draft = self._memory.with_suffix(".writing")
        draft.write_text(json.dumps({"tracking_uri": self.uri, "run_id": run.run_id, "is_described": is_described}))
        draft.replace(self._memory)


@contextmanager
def tracked(settings: Settings, params: Mapping[str, Any], card: Card) -> Generator[Spool | None]:
    """Open the run's spool and, where there is a server, its MLflow run; on rank 0 only."""
    path = settings.run_dir / METRICS
    if not is_first_rank():
        yield None
        return
    if settings.tracking["uri"] is None:
        with closing(Spool(path, None)) as spool:
            yield spool
        return
    book = Logbook(settings, params, card)
    book.open_now()
    spool = Spool(path, book.send)

    def end(status: str) -> None:
        if waiting := spool.close(PATIENCE_S if status == "FINISHED" else SHORT_PATIENCE_S):
            print(f"{waiting} bytes of {path} wait for {book.uri}; the same command sends them", flush=True)
        else:
            book.end(status)

    with ended(end):
        yield spool


def register(spool: Spool, name: str, folder: Path, step: int, seen: Mapping[str, float]) -> None:
    """Register the last checkpoint and the best one, where that is another, as versions of a model."""
    record, last = folder / BEST_RECORD, str((folder / LAST).resolve())
    best: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
    if best:
        checkpoint = last if best["step"] == step else str((folder / BEST).absolute())
        spool.add_version(step, Version(model=name, checkpoint=checkpoint, held_out_loss=best["held_out"]))
    if "held_out/all" in seen and best.get("step") != step:
        spool.add_version(step, Version(model=name, checkpoint=last, held_out_loss=seen["held_out/all"]))
