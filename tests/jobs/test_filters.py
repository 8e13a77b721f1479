"""Spoilt recordings and the score of verdicts on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobs.benchmarks.labelled_set import SetOptions, labelled_set
from jobs.benchmarks.spoiling import DEFECTS, Defect, Help, Recording, rolling_auto, shifted, spoil, wrong_language
from jobs.ingesting.filtering import Outcome, missed_lines, score_lines
from pipeline.errors import UserError
from pipeline.segment import captions
from pipeline.sources.embedded.captions import Cue

RNG = np.random.default_rng(0)
TEXTS = {"en": "It will rain, and then snow.", "sw": "Mvua itanyesha, na kisha theluji.", "am": "ዝናብ ይዘንባል፣ ከዚያም በረዶ።"}


def good(lang: str, number: int = 0) -> Recording:
    """Twelve seconds with four lines."""
    cues = tuple(Cue(start_ms=at * 3000 + 200, end_ms=at * 3000 + 2600, text=TEXTS[lang]) for at in range(4))
    samples = 0.1 * RNG.standard_normal(12 * 16_000).astype(np.float32)
    return Recording(key=f"{lang}-{number}", claimed_lang=lang, spoken_lang=lang, samples=samples, cues=cues)


OTHERS = [replace(good(lang, number), defect="clean") for lang in TEXTS for number in range(3)]


def aid(seed: int = 0) -> Help:
    return Help(rng=np.random.default_rng(seed), others=OTHERS)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
@pytest.mark.parametrize("lang", TEXTS)
def test_a_defect_changes_a_recording_and_says_where(defect: Defect, lang: str) -> None:
    take = good(lang)
    for strength in range(3):
        spoilt = spoil(take, defect, strength, aid())
        assert spoilt is not None
        assert (spoilt.defect, spoilt.strength) == (defect.__name__, strength)
        is_changed = spoilt.captions() != take.captions() or not np.array_equal(spoilt.samples, take.samples)
        assert is_changed and spoilt.bad_ms
        assert all(0 <= start < end <= max(spoilt.duration_ms, 12_000) for start, end in spoilt.bad_ms)
        assert captions.parse(spoilt.captions().encode()).status == "ok"
    assert take.defect == "clean", "the recording itself is as it was"


def test_a_stronger_defect_reaches_further() -> None:
    strong = spoil(good("en"), DEFECTS[0], 2, aid())
    assert strong and sum(end - start for start, end in strong.bad_ms) >= 11_000


def test_automatic_lines_touch_and_are_bare() -> None:
    lines = rolling_auto(good("en"), 2, aid()).cues  # type: ignore[union-attr]
    assert all(before.end_ms == after.start_ms for before, after in zip(lines, lines[1:], strict=False))
    assert lines[0].text == "it will rain and then snow it" or lines[0].text.islower()


def test_a_set_of_one_language_has_no_wrong_ones() -> None:
    alone = Help(rng=np.random.default_rng(0), others=[good("sw")])
    assert wrong_language(good("sw"), 0, alone) is None
    assert spoil(good("sw"), wrong_language, 0, alone) is None


def test_captions_moved_before_the_beginning_are_cut_there() -> None:
    moved = [shifted(good("en"), 2, aid(seed)) for seed in range(6)]
    assert all(cue.start_ms >= 0 for take in moved if take for cue in take.cues)


def test_a_folder_without_captions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no captions beside audio"):
        labelled_set(SetOptions(seed=0, num_clean=1, real=str(tmp_path)))


def test_a_defect_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserError, match="defect 'wrong_text' does not exist; have .*lower_case"):
        labelled_set(SetOptions(seed=0, num_clean=1, defects=["wrong_text"]))


def outcome(defect: str, is_kept: bool, *reasons: str, lang: str = "en", strength: int = 0) -> Outcome:
    return Outcome(lang=lang, defect=defect, strength=strength, reasons=reasons, is_kept=is_kept)


def test_scores_count_what_is_caught_and_what_is_lost() -> None:
    outcomes = [
        outcome("clean", True),
        outcome("clean", False, "music", lang="sw"),
        outcome("noisy", False, "noisy", "music"),
        outcome("noisy", True, lang="sw", strength=2),
    ]
    lines = list(score_lines(outcomes))
    assert lines[1].split() == ["caught", "1/1", "100.0%", "0/1", "0.0%", "1/2", "50.0%"]
    assert lines[2].split() == ["clean", "lost", "0/1", "0.0%", "1/1", "100.0%", "1/2", "50.0%"]
    assert lines[5].split() == ["noisy", "1/1", "100.0%", "0/1", "0.0%", "noisy", "1"]
    assert lines[-1] == "clean windows lost by: music 1"
    assert list(missed_lines(outcomes)) == ["missed: noisy strength 2 sw: 1"]
