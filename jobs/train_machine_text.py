"""Train the detector of machine transcripts on simulated captions and say how well it does.

`python jobs/train_machine_text.py` prints weights, precision and recall by language and style, styles it never saw and
a reliability table; `write=true` replaces the weights the package comes with; `real=FOLDER` adds captions of people.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from jobs.command.cli import command
from jobs.ingesting.machine_training import (
    Documents,
    real_captions,
    reliability_lines,
    simulated,
    table_lines,
    train,
    unseen_lines,
    weight_lines,
)
from pipeline.annotate.detector import ASSETS, detector

FOLDER = Path(__file__).parents[1] / "pipeline" / "annotate" / "assets"


@command("train_machine_text")
def main(cfg: DictConfig) -> None:
    """Train, measure on other seeds and sentences, and write the weights if asked to."""
    trained_on = simulated(cfg.train_seed, 0, cfg.num_per_style)
    tests = simulated(cfg.test_seed, 1, cfg.num_per_style)
    model = train(trained_on, about(trained_on, cfg)) if cfg.write else detector()
    if cfg.write:
        for kind, asset in ASSETS.items():
            (FOLDER / asset).write_text(getattr(model, kind).to_yaml(), encoding="utf-8")
    real = real_captions(Path(cfg.real)) if cfg.real else None
    sections = [
        ("weights, in units of each feature's spread", weight_lines(model)),
        (f"{len(tests.langs)} test documents, machine above {cfg.threshold}", table_lines(model, tests, cfg.threshold)),
        ("styles a detector never saw: share judged right", unseen_lines(trained_on, tests, cfg.threshold)),
        ("reliability", reliability_lines(model, tests)),
        *([("captions of people", table_lines(model, real, cfg.threshold))] if real else []),
    ]
    for title, lines in sections:
        print("\n".join((f"\n{title}", *lines)))


def about(documents: Documents, cfg: DictConfig) -> str:
    """Say what the weights were trained on."""
    return (
        f"Weights of P(machine), by: python jobs/train_machine_text.py write=true train_seed={cfg.train_seed}\n"
        f"Trained on {len(documents.langs)} simulated documents: {len(set(documents.langs))} languages, "
        f"{len(set(documents.styles))} styles (pipeline/annotate/simulate.py), both classes alike heavy.\n"
        "Simulated, so it knows what its makers thought of: captions of other habits may fool it."
    )


if __name__ == "__main__":
    main()
