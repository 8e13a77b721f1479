"""P(machine) from a caption's style: two small logistic regressions, one for scripts whose marks tell nothing.

Trained by jobs/train_machine_text.py on simulated captions. Products of measures say what only two of them together
show: times that touch on a recogniser's clock, lines cut where they are full and not where a clause ends.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from pipeline.annotate.logistic import Logistic, Values
from pipeline.annotate.style import NAMES

ASSETS = {"marked": "machine_text.yaml", "unmarked": "machine_text_unmarked.yaml"}
# Spreads of lengths tell how simulated sentences are cut, not who cut real ones (2026-11: 3 of 17 people's captions
# passed for a machine's with them, none without).
_NOT_USED = ("line_chars_cv", "cue_ms_cv")
FEATURES = (
    *(name for name in NAMES if name not in _NOT_USED),
    "has_speaker_marks",
    "upper_bare",
    "upper_marked",
    "lower_bare",
    "touching_cut",
    "full_cut",
    "full_touching",
    "full_words",
    "grid_touching",
    "digit_touching",
    "round_touching",
    "exact_gaps",
)
# What is left where neither marks nor capitals are written, nor words spaced.
UNMARKED = (
    *("digit_ratio", "tag_ratio", "words_per_line", "full_ratio", "touching_ratio", "round_ratio", "grid_ratio"),
    *("has_speaker_marks", "full_touching", "full_words", "grid_touching", "digit_touching", "round_touching"),
    "exact_gaps",
)
_MARKED_BY = FEATURES.index("bare_line_ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A model for captions whose marks can be judged, and one for the others."""

    marked: Logistic
    unmarked: Logistic

    def probability(self, rows_NF: Values) -> Values:
        """Return P(machine) for rows of FEATURES; NaN is missing."""
        given = self.marked.probability(rows_NF)
        return np.where(is_marked(rows_NF), given, self.unmarked.probability(rows_NF[:, columns(self.unmarked.names)]))


def features(measured: Mapping[str, float | None], has_speaker_marks: bool | None) -> list[float]:
    """Return the detector's inputs in the order of FEATURES; NaN is missing."""
    known = {name: float("nan") if value is None else value for name, value in measured.items()}
    known["has_speaker_marks"] = float("nan") if has_speaker_marks is None else float(has_speaker_marks)
    known["upper_bare"] = known["upper_ratio"] * known["bare_line_ratio"]
    known["upper_marked"] = known["upper_ratio"] * (1 - known["bare_line_ratio"])
    known["lower_bare"] = (1 - known["capital_ratio"]) * known["bare_line_ratio"]
    known["touching_cut"] = known["touching_ratio"] * (1 - known["mark_end_ratio"])
    known["words_per_line"] = float(np.log(known["words_per_line"]))
    known["full_cut"] = known["full_ratio"] * (1 - known["mark_end_ratio"])
    known["full_touching"] = known["full_ratio"] * known["touching_ratio"]
    known["full_words"] = known["full_ratio"] * known["words_per_line"]
    known["grid_touching"] = known["grid_ratio"] * known["touching_ratio"]
    known["digit_touching"] = known["touching_ratio"] * float(known["digit_ratio"] > 0)
    known["round_touching"] = known["round_ratio"] * known["touching_ratio"]
    known["exact_gaps"] = (1 - known["touching_ratio"]) * (1 - known["grid_ratio"])
    return [known[name] for name in FEATURES]


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
