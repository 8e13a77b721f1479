"""The commands of a study: each is what a person would type, in a process of its own.

So a study that was stopped goes on, and no cell can leave anything behind for the next. That is why a study is a list
of commands and not a multirun in one process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jobs.studying.settings import Cell, Settings
from model.checkpoint import load
from pipeline import store
from pipeline.errors import UserError

JOBS = Path(__file__).parents[1]
NOTE = "study.json"  # in the folder of a cell: what it was made from


def train_command(settings: Settings, cell: Cell, shards: str) -> list[str]:
    """Return the command that trains a cell."""
    return [sys.executable, str(JOBS / "train.py"), *train_overrides(settings, cell, shards)]


def train_overrides(settings: Settings, cell: Cell, shards: str) -> list[str]:
    """Return the settings of jobs/train.py that make a cell."""
    own = (
        f"name={cell.run_name(settings.name)}",
        f"data.shards={shards}",
        f"loader.seed={cell.seed}",
        f"optimisation.max_steps={settings.steps}",
        f"tracking.uri={settings.tracking['uri']}",
        f"tracking.experiment={settings.tracking['experiment']}",
    )
    size = list(settings.sizes[cell.size])
    if not any(one.startswith("size=") for one in size):
        size.insert(0, f"size={cell.size}")
    return [*settings.train, *size, *own]


def is_trained(settings: Settings, cell: Cell) -> bool:
    """Tell whether a cell's last checkpoint is that of its last step."""
    path = cell.checkpoint(settings.name)
    return path.exists() and load(str(path)).step >= settings.steps


def num_parameters(settings: Settings, cell: Cell) -> int:
    """Count the weights of a trained cell."""
    return sum(weight.numel() for weight in load(str(cell.checkpoint(settings.name))).net.parameters())


def claim(settings: Settings, cell: Cell, shards: str) -> None:
    """Write down what a cell is made from; UserError where its folder holds a run of other settings."""
    note = cell.folder(settings.name) / NOTE
    mine = [one for one in train_overrides(settings, cell, shards) if not one.startswith("tracking.")]
    known = json.loads(note.read_text()) if note.exists() else mine
    if known != mine:
        changed = sorted(set(known) ^ set(mine))
        raise UserError(
            f"run {note.parent} was made with other settings: {changed} differ; expected the same to go on; "
            "give them back, name the study anew with name=NAME, or delete the folder"
        )
    store.publish(str(note), json.dumps(mine, indent=1).encode())
