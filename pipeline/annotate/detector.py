"""P(machine) from a caption's style: two small logistic regressions, one for scripts whose marks tell nothing.

Trained by jobs/train_machine_text.py on simulated captions. Products of measures say what only two of them together
show: times that touch on a recogniser's clock, lines cut where they are full and not where a clause ends. A person's
words on a machine's times are a person's.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from pipeline.annotate.logistic import Logistic, Values

ASSETS = {"marked": "machine_text.yaml", "unmarked": "machine_text_unmarked.yaml"}
# Not here: digits, which the topic decides, and spreads of lengths, which tell how simulated sentences are cut.
_SHAPE = (
    *("tag_ratio", "words_per_line", "full_ratio", "long_line_ratio", "touching_ratio", "round_ratio", "grid_ratio"),
    *("has_speaker_marks", "full_touching", "grid_touching"),
)
MARKED = (
    *("capital_ratio", "upper_ratio", "lower_start_ratio", "comma_per_word", "rare_mark_per_word", "has_rare_marks"),
    *("bare_line_ratio", "is_bare", "stop_end_ratio", "mark_end_ratio", "inner_stop_ratio", "filler_ratio"),
    *("upper_marked", "lower_bare", "full_cut", "grid_plain", *_SHAPE),
)
# What is left where neither marks nor capitals need be written, nor words spaced.
UNMARKED = ("line_space_ratio", "line_mark_ratio", "is_unparted", "unparted_words", *_SHAPE)
FEATURES = tuple(dict.fromkeys((*MARKED, *UNMARKED)))
# Rare marks of a document that has some; bare lines of one that is bare; lines without mark and space, likewise.
_FEW, _ALL, _UNPARTED = 0.001, 0.9, 0.95
_CLAUSE = float(np.log(5))  # words of a line that is one clause: it holds nothing to part
_MARKED_BY = FEATURES.index("bare_line_ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A model for captions whose marks can be judged, and one for the others."""

    marked: Logistic
    unmarked: Logistic

    def probability(self, rows_NF: Values) -> Values:
        """Return P(machine) for rows of FEATURES; NaN is missing."""
        by_marks, by_shape = (
            model.probability(rows_NF[:, columns(model.names)]) for model in (self.marked, self.unmarked)
        )
        return np.where(is_marked(rows_NF), by_marks, by_shape)


def features(measured: Mapping[str, float | None], has_speaker_marks: bool | None) -> list[float]:
    """Return the detector's inputs in the order of FEATURES; NaN is missing."""
    known = {name: float("nan") if value is None else value for name, value in measured.items()}
    known["has_speaker_marks"] = float("nan") if has_speaker_marks is None else float(has_speaker_marks)
    known["words_per_line"] = float(np.log(known["words_per_line"]))
    known["grid_ratio"] = max(0.0, 2 * known["grid_ratio"] - 1)  # half of the times of a clock of 10 ms are on it
    bare, touching = known["bare_line_ratio"], known["touching_ratio"]
    known["has_rare_marks"] = _flag(known["rare_mark_per_word"], _FEW)
    known["is_bare"] = _flag(bare, _ALL)
    known["upper_marked"] = known["upper_ratio"] * (1 - bare)
    known["lower_bare"] = (1 - known["capital_ratio"]) * bare
    known["full_cut"] = known["full_ratio"] * (1 - known["mark_end_ratio"])
    known["full_touching"] = known["full_ratio"] * touching
    known["grid_touching"] = known["grid_ratio"] * touching
    known["grid_plain"] = known["grid_touching"] * (1 - known["has_rare_marks"])
    bare_lines = (1 - known["line_space_ratio"]) * (1 - known["line_mark_ratio"])
    known["is_unparted"] = _flag(bare_lines, _UNPARTED) if known["words_per_line"] > _CLAUSE else float("nan")
    known["unparted_words"] = known["is_unparted"] * known["words_per_line"]
    return [known[name] for name in FEATURES]


def _flag(value: float, limit: float) -> float:
    return value if np.isnan(value) else float(value > limit)


def is_marked(rows_NF: Values) -> NDArray[np.bool_]:
    """Tell which rows are of captions whose marks can be judged."""
    return ~np.isnan(rows_NF[:, _MARKED_BY])


def columns(names: tuple[str, ...]) -> list[int]:
    """Return the places of some features in FEATURES."""
    return [FEATURES.index(name) for name in names]


@functools.cache
def detector() -> Detector:
    """Read the trained weights that come with the package."""
    folder = files("pipeline.annotate") / "assets"
    models = {kind: Logistic.from_yaml((folder / asset).read_text("utf-8")) for kind, asset in ASSETS.items()}
    return Detector(marked=models["marked"], unmarked=models["unmarked"])
