"""Score all filters on a labelled set: `python jobs/filters.py`, or with real=FOLDER on real speech.

Every defect comes in three strengths and every language; with checkpoint=PATH also text of other speech, which a model
has to hear (check agreement). `'overrides=["checks.sound.rules.0.keep.min=10"]'` tries another setting.
"""

from __future__ import annotations

from hydra import compose
from omegaconf import DictConfig

from jobs.benchmarks.labelled_set import SetOptions, labelled_set
from jobs.command.cli import command
from jobs.ingesting.filtering import missed_lines, run_line, score_lines

AGREEMENT = ("+check@checks.agreement=agreement",)


@command("filters")
def main(cfg: DictConfig) -> None:
    """Make the set, run the line, print what was caught and what was lost."""
    has_model = cfg.checkpoint is not None
    recordings = labelled_set(
        SetOptions(seed=cfg.seed, num_clean=cfg.num_clean, real=cfg.real, has_wrong_text=has_model, defects=cfg.defects)
    )
    hours = sum(recording.duration_ms for recording in recordings) / 3_600_000
    print(f"{len(recordings)} recordings, {hours:.2f} h", flush=True)
    heard = [*AGREEMENT, f"checks.agreement.annotator.transcriber.checkpoint={cfg.checkpoint}"] if has_model else []
    outcomes = run_line(compose("ingest", [*heard, *cfg.overrides]), recordings)
    print("\n".join([*score_lines(outcomes), *missed_lines(outcomes)]))


if __name__ == "__main__":
    main()
