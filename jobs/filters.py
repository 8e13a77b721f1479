"""Score all filters on a labelled set: `python jobs/filters.py`, or with real=FOLDER on real speech.

Every defect comes in three strengths and every language; `overrides=[checks.sound.rules.0.keep.min=10]` tries others
settings of conf/filter.yaml.
"""

from __future__ import annotations

import hydra
from hydra import compose
from omegaconf import DictConfig

from jobs.benchmarks.labelled_set import SetOptions, labelled_set
from jobs.cli import clean_errors
from jobs.filtering import missed_lines, run_line, score_lines


@hydra.main(version_base=None, config_path="../conf", config_name="filters")
@clean_errors
def main(cfg: DictConfig) -> None:
    """Make the set, run the line, print what was caught and what was lost."""
    recordings = labelled_set(SetOptions(seed=cfg.seed, num_clean=cfg.num_clean, real=cfg.real))
    hours = sum(recording.duration_ms for recording in recordings) / 3_600_000
    print(f"{len(recordings)} recordings, {hours:.2f} h", flush=True)
    outcomes = run_line(compose("ingest", [*cfg.overrides]), recordings)
    print("\n".join([*score_lines(outcomes), *missed_lines(outcomes)]))


if __name__ == "__main__":
    main()
