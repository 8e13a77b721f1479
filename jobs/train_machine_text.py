"""Train the detector of machine transcripts on simulated captions and say how well it does.

`python jobs/train_machine_text.py` prints weights, precision and recall by language and style, styles it never saw and
a reliability table; `test=FOLDER` prints them for labelled captions of yours; `write=true` replaces the weights first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from omegaconf import DictConfig

from jobs.command.cli import command
from jobs.ingesting.machine_training import (
    Documents,
    labelled,
    reliability_lines,
    simulated,
    table_lines,
    train,
    unseen_lines,
    weight_lines,
)
from pipeline.annotate.detector import ASSETS, Detector, detector

FOLDER = Path(__file__).parents[1] / "pipeline" / "annotate" / "assets"


@command("train_machine_text")
def main(cfg: DictConfig) -> None:
    """Write new weights if asked to, and measure: on labelled captions, or on other seeds and sentences."""
    model = _written(cfg) if cfg.write else detector()
    sections = _real(model, cfg) if cfg.test else _simulated(model, cfg)
    for title, lines in (("weights, in units of each feature's spread", weight_lines(model)), *sections):
        print("\n".join((f"\n{title}", *lines)), flush=True)


def about(documents: Documents, cfg: DictConfig) -> str:
    """Say what the weights were trained on."""
    return (
        f"Weights of P(machine), by: python jobs/train_machine_text.py write=true train_seed={cfg.train_seed}\n"
        f"Trained on {len(documents.langs)} simulated documents: {len(set(documents.langs))} languages, "
        f"{len(set(documents.styles))} styles (pipeline/annotate/simulate.py), both classes alike heavy.\n"
        "The styles follow real captions of 18 public repositories; those of 19 others measured them (BENCHMARKS.md)."
    )


def _written(cfg: DictConfig) -> Detector:
    documents = simulated(cfg.train_seed, 0, cfg.num_per_style)
    model = train(documents, about(documents, cfg))
    for kind, asset in ASSETS.items():
        (FOLDER / asset).write_text(getattr(model, kind).to_yaml(), encoding="utf-8")
    return model


def _real(model: Detector, cfg: DictConfig) -> Iterator[tuple[str, Iterable[str]]]:
    yield from _measured(model, labelled(Path(cfg.test)), cfg.threshold, "labelled")


def _simulated(model: Detector, cfg: DictConfig) -> Iterator[tuple[str, Iterable[str]]]:
    tests = simulated(cfg.test_seed, 1, cfg.num_per_style)
    yield from _measured(model, tests, cfg.threshold, "simulated")
    trained_on = simulated(cfg.train_seed, 0, cfg.num_per_style)
    yield "styles a detector never saw: share judged right", unseen_lines(trained_on, tests, cfg.threshold)


def _measured(
    model: Detector, documents: Documents, threshold: float, kind: str
) -> Iterator[tuple[str, Iterable[str]]]:
    yield (
        f"{len(documents.langs)} {kind} documents, machine above {threshold}",
        table_lines(model, documents, threshold),
    )
    yield "reliability", reliability_lines(model, documents)


if __name__ == "__main__":
    main()
