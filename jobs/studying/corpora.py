"""The data of a study: corpora ingested once, and the part of one that a cell trains on and is watched on.

Every part is a view: the same shards with the rest taken down. Places and order of training stay, and give other
samples; a smaller share is part of every larger one; and all cells are watched on the same held-out windows, those of
the corpus that judges.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose

from jobs.studying.commands import JOBS
from jobs.studying.processes import run_command
from jobs.studying.settings import Settings
from model.data.corpus import Corpus, resolve_shards
from pipeline import artifact, store
from pipeline.artifact import Artifact
from pipeline.errors import UserError
from pipeline.takedown import Entry, Takedowns, in_force, put_in_force

LARGEST_HASH = 2**64
COLUMNS = ("split", "origins", "segment_ids")
TASK = "transcribe-"  # streams that are scored begin so


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Shards of which only a part stands, and the hours of transcribed speech to train on."""

    shards: str
    hours: float


def ingest_command(settings: Settings, corpus: str) -> list[str]:
    """Return the command that makes a corpus; without rules the checks stay, so that nothing is measured anew."""
    more = settings.ingest_overrides(corpus)
    if not settings.source(corpus).rules:
        checks = compose("ingest", more).checks
        more += [f"checks.{name}.{part}=[]" for name in checks for part in ("rules", "examples")]
    where = (f"data_root={settings.data_root}", f"tracking.uri={settings.tracking['uri']}")
    return [sys.executable, str(JOBS / "ingest.py"), *where, *more]


def make_corpus(settings: Settings, corpus: str) -> str:
    """Ingest a corpus and return its shard folder; one that is there with the same command is not made again."""
    command = ingest_command(settings, corpus)
    note = settings.folder / f"corpus-{corpus}.json"
    known: dict[str, Any] = json.loads(note.read_text()) if note.exists() else {}
    if known.get("command") != command[1:] or not Path(known["shards"]).exists():
        run_command(command)
        shards = str(Path(resolve_shards(f"{settings.data_root}/latest/shards.json")).absolute())
        known = {"command": command[1:], "shards": shards}
        store.publish(str(note), json.dumps(known, indent=1).encode())
    return str(known["shards"])


def view_of(shards: str, share: float, judge: str, folder: Path) -> View:
    """Return the part of a shard folder that a share trains on, with the held-out windows of the judging one.

    UserError for shards that lie elsewhere, and for a share in which nothing is left.
    """
    root_uri, name, fingerprint = shards.rstrip("/").rsplit("/", 2)
    if not store.is_local(shards):
        raise UserError(f"share {share:g} of {shards} cannot be taken; expected a local shard folder; copy it here")
    gone = _beyond(shards, share) | _not_judged(shards, judge)
    if gone:
        view = folder / f"share-{share:g}-{fingerprint}"
        link = view / "artifacts" / name / fingerprint
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(Path(shards).absolute(), target_is_directory=True)
        put_in_force(str(view), Takedowns((*in_force(root_uri.rpartition("/")[0]).entries, *gone)))
        shards = str(link.absolute())
    hours = sum(value for stream, value in Corpus(shards, "train").hours().items() if stream.startswith(TASK))
    if not hours:
        raise UserError(
            f"share {share:g} of {shards} has no transcribed speech to train on; expected some; give a larger share"
        )
    return View(shards=shards, hours=hours)


def _beyond(shards: str, share: float) -> set[Entry]:
    """Return the training recordings that are not part of a share."""
    ids = {one["recording_id"] for row in _rows(shards) if row["split"] == "train" for one in row["origins"]}
    return {Entry("recording", one) for one in ids if _place(one) >= share}


def _not_judged(shards: str, judge: str) -> set[Entry]:
    """Return the held-out windows that the judging shards do not hold out."""
    if shards == judge:
        return set()
    mine, known = (
        {one for row in _rows(uri) if row["split"] == "validation" for one in row["segment_ids"]}
        for uri in (shards, judge)
    )
    return {Entry("sample", one) for one in mine - known}


def _rows(shards: str) -> list[Mapping[str, Any]]:
    root_uri, name, fingerprint = shards.rstrip("/").rsplit("/", 2)
    return artifact.read_all(Artifact(root_uri=root_uri, name=name, fingerprint=fingerprint), COLUMNS).to_pylist()


def _place(recording_id: str) -> float:
    """Return a recording's place in [0, 1), the same in every study."""
    return int(np.frombuffer(hashlib.sha256(recording_id.encode()).digest()[:8], ">u8")[0]) / LARGEST_HASH
