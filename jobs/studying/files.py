"""What a study leaves: tables in the terminal, pictures, a page, and a run in MLflow."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from jobs.studying.charts import LABELS, curves_chart, effects_chart, hours_chart, spots_chart
from jobs.studying.commands import num_parameters
from jobs.studying.corpora import View
from jobs.studying.curves import SERIES, Curves, learning_curves
from jobs.studying.findings import LOSS, Answers, Effect, Finding, effects, findings
from jobs.studying.page import Picture, page
from jobs.studying.settings import Settings
from jobs.studying.tables import Table, curves_table, effects_table, place_name, step_name, values_table
from jobs.tracking.runs import start_run
from jobs.training.parts import plain
from pipeline import store

SEEDS = "dots are seeds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything a study found out."""

    found: Sequence[Finding]
    effects: Mapping[str, Sequence[Effect]]
    curves: Mapping[str, Curves]
    hours: Mapping[tuple[str, float], float]


def publish(settings: Settings, answers: Answers, views: Mapping[tuple[str, float], View], cfg: DictConfig) -> None:
    """Print the tables, write pictures and page, and log all of it as a run."""
    results = Results(
        found=findings(settings, answers),
        effects={metric: effects(settings, answers, metric) for metric in _main_metrics(settings)},
        curves={measure: learning_curves(settings, answers, measure) for measure in SERIES},
        hours={key: view.hours for key, view in views.items()},
    )
    tables, pictures = list(_tables(results)), list(_pictures(settings, results))
    lines = [line for table in tables for line in table.markdown()]
    print("\n".join(["", *lines]))
    files = {f"{one.name}.png": one.png for one in pictures} | {"table.md": "\n".join(lines).encode()}
    files["index.html"] = page(f"Study {settings.name}", _facts(settings, answers), pictures, tables).encode()
    with start_run(settings.tracking["uri"], settings.tracking["experiment"], settings.name, plain(cfg)) as run:
        for one in results.found:
            group = one.group
            run.log_metrics({f"{group.corpus}-{group.size}-{group.share:g}/{one.metric}": one.pooled.value})
        for name, data in files.items():
            store.publish(str(settings.folder / name), data)
            run.log_artifact(str(settings.folder / name))
    print(settings.folder / "index.html")


def _tables(results: Results) -> Iterator[Table]:
    yield values_table(results.found, results.hours)
    for found in results.effects.values():
        if found:
            yield effects_table(found)
    for measure, curves in results.curves.items():
        if curves:
            yield curves_table(curves, measure, LABELS[measure])


def _pictures(settings: Settings, results: Results) -> Iterator[Picture]:
    for metric in _main_metrics(settings):
        mine = [one for one in results.found if one.metric == metric]
        if len({one.group.share for one in mine}) > 1 and all(one.pooled.value > 0 for one in mine):
            yield Picture(
                name=f"{metric}-by-hours",
                title=f"{metric} by hours",
                note=f"Both axes are logarithmic. Bars are 95 % intervals over recordings, {SEEDS}.",
                png=hours_chart(settings, mine, results.hours),
            )
    for measure, curves in results.curves.items():
        if curves:
            yield Picture(
                name=f"curve-{measure}",
                title=f"Held-out {measure} as training goes on",
                note="The same held-out windows for all, from the corpus that judges; the line is the middle of the "
                "seeds, the band reaches from their least to their most. Rates are drawn up to 1.3.",
                png=curves_chart(settings, curves, results.hours, measure),
            )
    for metric, found in results.effects.items():
        if found:
            yield Picture(
                name=f"{metric}-steps",
                title=f"What a step changes about {metric}",
                note="95 % intervals over recordings. Open markers are interactions: how much more the first step "
                "changes after the second one than before it.",
                png=effects_chart(found, [f"{step_name(one)}  ({place_name(one)})" for one in found]),
            )
    for metric in settings.metrics:
        yield Picture(
            name=metric,
            title=metric,
            note=f"Bars are 95 % intervals over recordings, {SEEDS}.",
            png=spots_chart(settings, [one for one in results.found if one.metric == metric]),
        )


def _main_metrics(settings: Settings) -> list[str]:
    """Return what is drawn over hours and compared step by step: the first measure, and the loss."""
    return [metric for number, metric in enumerate(settings.metrics) if number == 0 or metric == LOSS]


def _facts(settings: Settings, answers: Answers) -> list[str]:
    items = next(iter(answers.values()))
    weights = {cell.size: num_parameters(settings, cell) / 1e6 for cell in {one.size: one for one in answers}.values()}
    recordings = {one.item.recording_id for one in items}
    return [
        f"{len(answers)} of {len(settings.cells())} runs, seeds {list(settings.seeds)}, "
        f"each run's folder is runs/{settings.name}/CORPUS-SIZE-SHARE-SEED.",
        f"All are asked the same {len(items)} held-out windows of {len(recordings)} recordings of {settings.judge!r}. "
        "Intervals draw recordings; they do not cover what another seed would do.",
        *(
            f"{size}: {millions:.2f} M parameters. {shlex.join(settings.sizes[size])}"
            for size, millions in weights.items()
        ),
        f"All: {settings.steps} steps. {shlex.join(settings.train)}",
    ]
