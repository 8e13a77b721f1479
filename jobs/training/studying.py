"""A study's parts: its cells, the commands that train them, shares of a corpus, and what the answers come to.

Each cell is the command a person would type, in a process of its own, so a study that was stopped goes on, and no cell
can leave anything behind for the next. That is why this is a list of commands and not a multirun in one process.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose

from jobs.evaluating.charts import Spot, curve_chart, spots_chart
from jobs.evaluating.checkpoints import answer, list_items, read_settings
from model.checkpoint import load
from model.data.corpus import resolve_shards
from model.evaluation.bootstrap import Difference, Estimate, Measure, difference, estimate
from model.evaluation.evaluate import Utterance
from model.evaluation.normalisers import BASIC
from model.evaluation.results import NONE, measures
from model.training.saving import LAST
from pipeline import artifact, store
from pipeline.artifact import Artifact
from pipeline.errors import DataError, UserError
from pipeline.takedown import Entry, Takedowns, in_force, put_in_force

JOBS = Path(__file__).parents[1]
LARGEST_HASH = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """conf/study.yaml, typed."""

    name: str
    data_root: str
    corpora: Mapping[str, Mapping[str, Any]]
    ingest: Sequence[str]
    sizes: Sequence[str]
    shares: Sequence[float]
    seeds: Sequence[int]
    train: Sequence[str]
    evaluate: Sequence[str]
    metrics: Sequence[str]
    resamples: int
    explain: bool
    tracking: Mapping[str, str]

    def __post_init__(self) -> None:
        if not self.corpora or min(self.shares, default=0.0) <= 0 or max(self.shares) > 1:
            raise UserError(
                f"study of corpora {list(self.corpora)} and shares {list(self.shares)} has nothing to train on; "
                "expected corpora, and shares above 0 and up to 1; mend conf/study.yaml"
            )

    @property
    def folder(self) -> Path:
        """Where the study's results lie."""
        return Path("runs") / self.name

    def cells(self) -> list[Cell]:
        """List the runs, seeds first to last: after each round all that is compared is there."""
        named = itertools.product(self.seeds, self.sizes, self.shares, self.corpora)
        return [Cell(corpus=corpus, size=size, share=share, seed=seed) for seed, size, share, corpus in named]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run."""

    corpus: str
    size: str
    share: float
    seed: int

    @property
    def group(self) -> tuple[str, float]:
        """What is compared between corpora."""
        return self.size, self.share

    def run_name(self, study: str) -> str:
        """Return the name its run goes by."""
        return f"{study}/{self.corpus}-{self.size}-{self.share:g}-{self.seed}"

    def checkpoint(self, study: str) -> Path:
        """Return where its last checkpoint lies."""
        return Path("runs") / self.run_name(study) / "checkpoints" / LAST


Answers = dict[Cell, list[Utterance]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A measure of one corpus over all seeds, each seed's value, and what another corpus changes about it."""

    group: tuple[str, float]
    corpus: str
    metric: str
    pooled: Estimate
    by_seed: tuple[float, ...]
    change: Difference | None


def ingest_command(settings: Settings, corpus: str) -> list[str]:
    """Return the command that makes a corpus; without rules the checks stay, so that nothing is measured anew."""
    given = settings.corpora[corpus]
    more = [str(one) for one in given.get("ingest", ())]
    if not given.get("rules", True):
        checks = compose("ingest", [*settings.ingest, *more]).checks
        more += [f"checks.{name}.{part}=[]" for name in checks for part in ("rules", "examples")]
    where = (f"data_root={settings.data_root}", f"tracking.uri={settings.tracking['uri']}")
    return [sys.executable, str(JOBS / "ingest.py"), *where, *settings.ingest, *more]


def train_command(settings: Settings, cell: Cell, shards: str) -> list[str]:
    """Return the command that trains a cell."""
    own = (
        f"name={cell.run_name(settings.name)}",
        f"size={cell.size}",
        f"data.shards={shards}",
        f"loader.seed={cell.seed}",
        f"tracking.uri={settings.tracking['uri']}",
        f"tracking.experiment={settings.tracking['experiment']}",
    )
    return [sys.executable, str(JOBS / "train.py"), *settings.train, *own]


def run_command(command: Sequence[str]) -> None:
    """Run a command to its end; DataError when it fails, after what it had to say."""
    code = subprocess.run(command, check=False).returncode
    if code:
        raise DataError(f"command ended with {code}: {' '.join(command)}; expected 0; mend it and run the study again")


def make_corpus(settings: Settings, corpus: str) -> str:
    """Ingest a corpus and return its shard folder; one that is there with the same command is not made again."""
    command = ingest_command(settings, corpus)
    note = settings.folder / f"corpus-{corpus}.json"
    known: dict[str, Any] = json.loads(note.read_text()) if note.exists() else {}
    if known.get("command") != command[1:]:
        run_command(command)
        shards = str(Path(resolve_shards(f"{settings.data_root}/latest/shards.json")).absolute())
        known = {"command": command[1:], "shards": shards}
        store.publish(str(note), json.dumps(known, indent=1).encode())
    return str(known["shards"])


def is_trained(settings: Settings, cell: Cell) -> bool:
    """Tell whether a cell's last checkpoint is that of its last step."""
    path = cell.checkpoint(settings.name)
    max_steps = int(compose("train", [*settings.train, f"size={cell.size}", "name=x"]).optimisation.max_steps)
    return path.exists() and load(str(path)).step >= max_steps


def share_of(shards: str, share: float, folder: Path) -> str:
    """Return a view of a shard folder in which only a share of the training recordings stands; local folders only.

    The rest is taken down in the view: places and order of training stay, and give other samples.
    """
    if share >= 1.0:
        return shards
    root_uri, name, fingerprint = shards.rstrip("/").rsplit("/", 2)
    if not store.is_local(shards):
        raise UserError(f"share {share:g} of {shards} cannot be taken; expected a local shard folder; copy it here")
    rows = artifact.read_all(Artifact(root_uri=root_uri, name=name, fingerprint=fingerprint), ("split", "origins"))
    ids = {one["recording_id"] for row in rows.to_pylist() if row["split"] == "train" for one in row["origins"]}
    gone = [Entry("recording", one) for one in sorted(ids) if _place(one) >= share]
    view = folder / f"share-{share:g}-{fingerprint}"
    link = view / "artifacts" / name / fingerprint
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(Path(shards).absolute(), target_is_directory=True)
    put_in_force(str(view), Takedowns((*in_force(root_uri.rpartition("/")[0]).entries, *gone)))
    return str(link.absolute())


def ask(settings: Settings, cell: Cell, shards: str) -> list[Utterance]:
    """Ask a trained cell the evaluation's items."""
    path = cell.checkpoint(settings.name)
    asked, loaded = read_settings(compose("evaluate", [f"checkpoint={path}", f"shards={shards}", *settings.evaluate]))
    answers = answer(loaded, list_items(asked), asked)
    return [one for utterances in answers.values() for one in utterances]


def findings(settings: Settings, answers: Answers) -> Iterator[Finding]:
    """Pool the seeds of each corpus and compare it with the first, over the same recordings."""
    first, *others = settings.corpora
    groups = dict.fromkeys(cell.group for cell in answers)
    for group, metric in itertools.product(groups, settings.metrics):
        runs = {
            corpus: [answers[cell] for cell in answers if (cell.group, cell.corpus) == (group, corpus)]
            for corpus in (first, *others)
        }
        base = pooled(runs[first], metric)
        for corpus, of_corpus in runs.items():
            mine = pooled(of_corpus, metric)
            names = [one.item.recording_id for run in of_corpus for one in _spoken(run)]
            yield Finding(
                group=group,
                corpus=corpus,
                metric=metric,
                pooled=estimate(mine, names, settings.resamples),
                by_seed=tuple(value_of(pooled([run], metric)) for run in of_corpus),
                change=None if corpus == first else difference(base, mine, names, settings.resamples),
            )


def pooled(runs: Sequence[Sequence[Utterance]], metric: str) -> Measure:
    """Return a measure over the transcriptions of some runs together."""
    found = measures("transcribe", [one for run in runs for one in _spoken(run)])
    chosen = [one for one in found if one.name == metric and one.normaliser in (BASIC, NONE)]
    if not chosen:
        raise UserError(f"metric {metric!r} is none of transcription; have {sorted({one.name for one in found})}")
    return chosen[0]


def value_of(measure: Measure) -> float:
    """Return a measure's value."""
    return float(measure.value(measure.counts_UK.sum(axis=0)))


def table_lines(found: Sequence[Finding]) -> Iterator[str]:
    """Write the findings as a Markdown table."""
    yield "| size | share | corpus | measure | value (95 %) | by seed | change (95 %) | p |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in found:
        size, share = one.group
        seeds = ", ".join(f"{value:.3f}" for value in one.by_seed)
        change = _with_interval(one.change, "+") if one.change else ""
        chance = f"{one.change.p_value:.3f}" if one.change and one.change.p_value is not None else ""
        value = _with_interval(one.pooled, "")
        yield f"| {size} | {share:g} | {one.corpus} | {one.metric} | {value} | {seeds} | {change} | {chance} |"


def draw(settings: Settings, found: list[Finding]) -> dict[str, bytes]:
    """Draw each measure: corpora beside each other, and curves over the shares where there are several."""
    pictures: dict[str, bytes] = {}
    for metric in settings.metrics:
        own = [one for one in found if one.metric == metric]
        spots = {corpus: list[Spot]() for corpus in settings.corpora}
        curves: dict[str, dict[float, list[float]]] = {}
        for one in own:
            size, share = one.group
            name = f"{size}, {share:.0%}"
            spots[one.corpus].append(Spot(name=name, value=one.pooled.value, low=one.pooled.low, high=one.pooled.high))
            spots[one.corpus] += [
                Spot(name=f"{name}, seed {seed}", value=value, low=None, high=None)
                for seed, value in zip(settings.seeds, one.by_seed, strict=True)
            ]
            curves.setdefault(f"{one.corpus}, {size}", {})[share] = list(one.by_seed)
        pictures[metric] = spots_chart(spots, metric)
        if len(settings.shares) > 1:
            pictures[f"{metric}-by-share"] = curve_chart(curves, ("share of the data", metric))
    return pictures


def _with_interval(one: Estimate | Difference, sign: str) -> str:
    interval = "" if one.low is None or one.high is None else f" ({one.low:{sign}.3f} to {one.high:{sign}.3f})"
    return f"{one.value:{sign}.3f}{interval}"


def _spoken(run: Sequence[Utterance]) -> list[Utterance]:
    return [one for one in run if one.item.task == "transcribe"]


def _place(recording_id: str) -> float:
    """Return a recording's place in [0, 1), the same in every study."""
    return int(np.frombuffer(hashlib.sha256(recording_id.encode()).digest()[:8], ">u8")[0]) / LARGEST_HASH
