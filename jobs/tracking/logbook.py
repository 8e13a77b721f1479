"""Where a training run writes down how it goes: a spool in its folder, and the MLflow run it is sent to."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.tracking.runs import Run, start_run
from jobs.tracking.showing import FOLDER, TRANSCRIPTS
from jobs.tracking.spool import Spool
from jobs.training.parts import Settings, is_first_rank
from model.checkpoint import Card
from model.training.saving import BEST, BEST_RECORD, LAST

METRICS, MEMORY = "metrics.jsonl", "mlflow.json"


@contextmanager
def tracked(settings: Settings, params: Mapping[str, Any], card: Card) -> Generator[tuple[Run | None, Spool | None]]:
    """Open the run's spool and, where there is a server, its MLflow run; on rank 0 only."""
    uri, path = settings.tracking["uri"], settings.run_dir / METRICS
    if not is_first_rank():
        yield None, None
        return
    if uri is None:
        yield None, Spool(path, None)
        return
    experiment = str(settings.tracking["experiment"])
    with start_run(uri, experiment, settings.name, params, settings.run_dir / MEMORY) as run:
        run.log_corpus(str(card.shards_uri), str(card.shards_fingerprint))
        run.log_table(f"{FOLDER}/{TRANSCRIPTS}")
        spool = Spool(path, run.send)
        try:
            yield run, spool
        finally:
            if waiting := spool.close():
                print(f"{waiting} bytes of {path} wait for {uri}; the next start of this run sends them")


def register(run: Run, name: str, folder: Path, seen: Mapping[str, float]) -> None:
    """Register the last checkpoint and the best one, where that is another, as versions of a model."""
    record = folder / BEST_RECORD
    best = json.loads(record.read_text())["held_out"] if record.exists() else math.inf
    last = seen.get("held_out/all", math.inf)
    if best < last:
        run.register(name, str((folder / BEST).absolute()), best)
    if last < math.inf:
        run.register(name, str((folder / LAST).resolve()), last)
