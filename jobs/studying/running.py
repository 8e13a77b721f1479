"""A study's cells, trained and asked one after the other; one that fails costs only itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from jobs.command.progress import spell
from jobs.studying.answers import ask
from jobs.studying.commands import claim, is_trained, train_command
from jobs.studying.corpora import View
from jobs.studying.processes import run_command
from jobs.studying.settings import Cell, Settings
from model.evaluation.evaluate import Utterance
from pipeline.errors import DataError, QuarantineError, UserError

Views = Mapping[tuple[str, float], View]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What cells answered, and what went wrong with those that did not."""

    answers: dict[Cell, Sequence[Utterance]] = field(default_factory=dict[Cell, Sequence[Utterance]])
    failed: dict[Cell, str] = field(default_factory=dict[Cell, str])

    def check(self, name: str) -> None:
        """Do nothing, or raise QuarantineError that names the cells that failed."""
        if self.failed:
            names = [cell.run_name(name) for cell in self.failed]
            raise QuarantineError(
                f"{len(names)} of {len(names) + len(self.answers)} cells failed: {names}; expected all; "
                "what each said stands above; mend it and run the same command, which tries only these"
            )


def run_cells(settings: Settings, views: Views, judge: str, say: Callable[[str], None]) -> Outcome:
    """Train what is not trained and ask everybody; errors made for people are kept, and the next cell goes on."""
    outcome, cells, began_s = Outcome(), settings.cells(), time.monotonic()
    num_trained = 0
    for number, cell in enumerate(cells, start=1):
        where = f"[{number}/{len(cells)}] {cell.run_name(settings.name)}"
        view = views[cell.corpus, cell.share]
        try:
            claim(settings, cell, view.shards)
            if not is_trained(settings, cell):
                say(f"{where}: {view.hours:.3f} h of transcribed speech")
                run_command(train_command(settings, cell, view.shards))
                num_trained += 1
            outcome.answers[cell] = ask(settings, cell, judge)
        except (DataError, UserError) as error:
            outcome.failed[cell] = str(error)
            say(f"{where} FAILED: {error}")
            continue
        left_s = (time.monotonic() - began_s) / max(num_trained, 1) * (len(cells) - number)
        say(f"{where}: measured" + (f", about {spell(left_s)} left" if num_trained and number < len(cells) else ""))
    return outcome
