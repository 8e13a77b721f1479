from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from model.data.mixture import (
    WEIGHT_UNITS,
    Draw,
    Fixed,
    LossWeights,
    Phase,
    Phases,
    Schedule,
    Temperature,
    cap_synthetic,
    capped,
    stream_name,
    weights_by_step,
)
from pipeline.errors import UserError

CONF = Path(__file__).parents[3] / "conf"
NOTES = yaml.safe_load((CONF / "mixture/notes.yaml").read_text())["table"]
LOSS = yaml.safe_load((CONF / "train.yaml").read_text())["loss_weights"]


def random_weights(seed: int, number: int, evenness: float) -> dict[str, float]:
    drawn = np.random.default_rng(seed).dirichlet([evenness] * number)
    return {f"transcribe-{place}": float(weight) for place, weight in enumerate(drawn)}


def test_the_notes_preset_is_the_table_of_the_notes() -> None:
    assert {name: weight for name, weight in NOTES.items() if weight} == {
        "transcribe-sw": 0.20,
        "transcribe-am": 0.20,
        "translate-sw": 0.15,
        "translate-am": 0.15,
        "transcribe-en": 0.10,
        "transcribe-es": 0.10,
        "translate-es": 0.05,
        "detect_language": 0.05,
    }
    assert sum(NOTES.values()) == pytest.approx(1.0)


def test_a_batch_of_32_is_the_one_in_the_notes_to_within_one_example_of_its_shares() -> None:
    schedule = Schedule({0: NOTES}, batch_size=32, seed=0)
    for index in range(50):
        counts = Counter(draw.stream for draw in schedule.batch(index))
        assert all(abs(counts[name] - 32 * weight) < 1 for name, weight in NOTES.items() if weight)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("number", "evenness", "batch_size"), [(3, 5.0, 4), (8, 1.0, 32), (20, 0.2, 10), (2, 1.0, 250)]
)
def test_shares_hold_in_every_batch_and_the_running_error_stays_below_one(
    seed: int, number: int, evenness: float, batch_size: int
) -> None:
    weights = random_weights(seed, number, evenness)
    schedule = Schedule({0: weights}, batch_size, seed)
    totals: Counter[str] = Counter()
    rounding = number / WEIGHT_UNITS
    for index in range(60):
        counts = Counter(draw.stream for draw in schedule.batch(index))
        totals += counts
        assert sum(counts.values()) == batch_size
        for name, weight in weights.items():
            assert abs(counts[name] - batch_size * weight) < 1 + batch_size * rounding
            done = (index + 1) * batch_size
            assert abs(totals[name] - done * weight) < 1 + done * rounding


def test_a_batch_is_the_same_whether_reached_or_jumped_to() -> None:
    walked = Schedule({0: NOTES}, batch_size=8, seed=3)
    seen: Counter[str] = Counter()
    for index in range(1300):  # a period is 1,250 batches of 8
        assert walked.drawn(index) == {name: seen[name] for name in walked.streams}
        expected = {name: seen[name] for name in walked.streams}
        for draw in sorted(walked.batch(index), key=lambda draw: draw.number):
            assert draw.number == expected[draw.stream]
            expected[draw.stream] += 1
        seen = Counter(expected)
    assert Schedule({0: NOTES}, batch_size=8, seed=3).batch(1299) == walked.batch(1299)


def test_the_seed_moves_the_order_in_a_batch_but_not_what_is_drawn() -> None:
    def key(draw: Draw) -> tuple[str, int]:
        return draw.stream, draw.number

    first, second = (Schedule({0: NOTES}, batch_size=32, seed=seed).batch(5) for seed in (0, 1))
    assert first != second and sorted(first, key=key) == sorted(second, key=key)


def test_a_stream_without_a_weight_is_an_error() -> None:
    mixture = Fixed(table={"transcribe-en": 1.0}, renormalise=False)
    with pytest.raises(UserError, match=r"no weight for streams \['transcribe-fr'\].*add them \(0 leaves"):
        mixture.weights({"transcribe-en": 1.0, "transcribe-fr": 2.0})


def test_a_weight_without_a_stream_is_an_error_unless_renormalising_is_asked_for() -> None:
    table = {"transcribe-en": 0.2, "transcribe-sw": 0.6, "translate-sw": 0.2}
    hours = {"transcribe-en": 1.0, "transcribe-sw": 1.0}
    with pytest.raises(UserError, match=r"names streams \['translate-sw'\] that the shards lack"):
        Fixed(table=table, renormalise=False).weights(hours)
    scaled = Fixed(table=table, renormalise=True).weights(hours)
    assert scaled == pytest.approx({"transcribe-en": 0.25, "transcribe-sw": 0.75})


@pytest.mark.parametrize("table", [{"transcribe-en": 0.9}, {"transcribe-en": 1.5, "transcribe-sw": -0.5}])
def test_weights_that_are_no_probabilities_are_an_error(table: dict[str, float]) -> None:
    with pytest.raises(UserError, match="expected 1 and none below 0"):
        Fixed(table=table, renormalise=True).weights(dict.fromkeys(table, 1.0))


def test_all_weights_zero_is_an_error() -> None:
    with pytest.raises(UserError, match="every stream of the shards weight 0"):
        Fixed(table={"transcribe-en": 0.0, "transcribe-sw": 1.0}, renormalise=True).weights({"transcribe-en": 1.0})


@pytest.mark.parametrize(("alpha", "english"), [(1.0, 0.9), (0.5, 0.75), (0.0, 0.5)])
def test_temperature_goes_from_the_hours_to_equal_shares(alpha: float, english: float) -> None:
    mixture = Temperature(alpha=alpha, pooled={"detect_language": 0.2, "no_speech": 0.1})
    weights = mixture.weights({"transcribe-en": 90.0, "transcribe-sw": 10.0, "detect_language": 100.0})
    assert weights["detect_language"] == 0.2
    assert weights["transcribe-en"] == pytest.approx(0.8 * english)
    assert sum(weights.values()) == pytest.approx(1.0)


def test_a_pooled_share_of_a_stream_that_is_not_pooled_is_an_error() -> None:
    with pytest.raises(UserError, match="did you mean 'detect_language'"):
        Temperature(alpha=1.0, pooled={"detect_langage": 0.1}).weights({"transcribe-en": 1.0})


@pytest.mark.parametrize(
    ("task", "lang", "weight"),
    [("transcribe", "sw", 3.0), ("translate", "am", 4.5), ("transcribe", "en", 1.0), ("detect_language", "es", 3.0)],
)
def test_loss_weights_are_those_of_the_notes(task: str, lang: str, weight: float) -> None:
    assert LossWeights(language=LOSS["language"], task=LOSS["task"]).of(task, lang) == weight


def test_a_loss_weight_that_is_missing_is_an_error_with_the_nearest_name() -> None:
    weights = LossWeights(language={"en": 1.0}, task={"transcribe": 1.0})
    with pytest.raises(UserError, match="loss weight of language 'fr' does not exist"):
        weights.of("transcribe", "fr")
    with pytest.raises(UserError, match="did you mean 'transcribe'"):
        weights.of("transcibe", "en")


def test_tasks_that_need_no_pair_are_one_stream_for_all_languages() -> None:
    assert stream_name("translate", "sw") == "translate-sw"
    assert stream_name("detect_language", "sw") == "detect_language"
    assert stream_name("translate", "sw", is_synthetic=True) == "translate-sw-synthetic"


EARLY = {"transcribe-en": 0.25, "transcribe-sw": 0.75}
LATE = {"transcribe-en": 0.5, "no_speech": 0.5}


def test_phases_follow_each_other_and_every_stream_counts_on() -> None:
    schedule = Schedule({0: EARLY, 5: LATE}, batch_size=4, seed=0)
    assert schedule.streams == ["no_speech", "transcribe-en", "transcribe-sw"]
    seen: Counter[str] = Counter()
    for index in range(12):
        assert schedule.drawn(index) == {name: seen[name] for name in schedule.streams}
        counts = Counter(draw.stream for draw in schedule.batch(index))
        assert counts == Counter({name: 4 * share for name, share in (EARLY if index < 5 else LATE).items()})
        numbers = sorted(draw.number for draw in schedule.batch(index) if draw.stream == "transcribe-en")
        assert numbers == list(range(seen["transcribe-en"], seen["transcribe-en"] + len(numbers)))
        seen += counts


def test_a_mixture_of_phases_asks_each_for_its_shares() -> None:
    table = {"transcribe-en": 0.25, "transcribe-sw": 0.75}
    phases = Phases(
        phases=(
            Phase(from_step=0, mixture=Fixed(table=table, renormalise=False)),
            Phase(from_step=100, mixture=Temperature(alpha=0.0, pooled={})),
        )
    )
    assert weights_by_step(phases, {"transcribe-en": 9.0, "transcribe-sw": 1.0}) == {
        0: table,
        100: {"transcribe-en": 0.5, "transcribe-sw": 0.5},
    }
    assert weights_by_step(phases.phases[0].mixture, {"transcribe-en": 9.0, "transcribe-sw": 1.0}) == {0: table}


@pytest.mark.parametrize("starts", [(), (1,), (0, 5, 5), (0, 9, 3)])
def test_phases_that_do_not_follow_each_other_are_an_error(starts: tuple[int, ...]) -> None:
    mixture = Temperature(alpha=1.0, pooled={})
    with pytest.raises(UserError, match=r"mixture phases begin at steps \[.*\]; expected 0 first"):
        Phases(phases=tuple(Phase(from_step=start, mixture=mixture) for start in starts))


def test_what_a_cap_cuts_goes_to_the_others_in_their_proportions() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    assert capped(shares, {"a": 1.0, "b": 1.0, "c": 1.0}) == shares
    assert capped(shares, {"a": 0.25, "b": 1.0, "c": 1.0}) == pytest.approx({"a": 0.25, "b": 0.45, "c": 0.3})
    assert capped(shares, {"a": 0.25, "b": 0.4, "c": 1.0}) == pytest.approx({"a": 0.25, "b": 0.4, "c": 0.35})
    with pytest.raises(UserError, match="no stream is left to take what is cut"):
        capped(shares, {"a": 0.3, "b": 0.3, "c": 0.3})


def test_of_a_task_in_a_language_machines_speak_at_most_their_share() -> None:
    shares = {"transcribe-sw": 0.2, "transcribe-sw-synthetic": 0.6, "transcribe-en": 0.2}
    assert cap_synthetic(shares, 0.75) == pytest.approx(shares)
    pooled = {name: 0.9 * share for name, share in shares.items()} | {"detect_language": 0.1}
    assert cap_synthetic(pooled, 0.0) == pytest.approx(
        {"transcribe-sw": 0.45, "transcribe-sw-synthetic": 0.0, "transcribe-en": 0.45, "detect_language": 0.1}
    )
    cut = cap_synthetic(shares, 0.25)
    assert cut == pytest.approx(
        {"transcribe-sw": 3 / 7, "transcribe-sw-synthetic": 1 / 7, "transcribe-en": 3 / 7}
    )  # one of four in Swahili, and as much English as Swahili by people, as before
    assert cap_synthetic(shares, 1.0) == shares
    assert cap_synthetic(shares, 0.0) == {"transcribe-sw": 0.5, "transcribe-sw-synthetic": 0.0, "transcribe-en": 0.5}
    assert cap_synthetic({"transcribe-en": 0.7, "no_speech": 0.3}, 0.25) == {"transcribe-en": 0.7, "no_speech": 0.3}


def test_what_only_machines_speak_is_left_out_unless_they_may_stand_for_people() -> None:
    shares = {"transcribe-am-synthetic": 0.4, "transcribe-en": 0.6}
    assert cap_synthetic(shares, 0.25) == {"transcribe-am-synthetic": 0.0, "transcribe-en": 1.0}
    assert cap_synthetic(shares, 1.0) == shares
    with pytest.raises(UserError, match="every stream of the shards weight 0 by loader.max_synthetic_share; give"):
        cap_synthetic({"transcribe-am-synthetic": 1.0}, 0.25)
    with pytest.raises(UserError, match="loader.max_synthetic_share 1.5 is no share; expected 0 to 1; mend it"):
        cap_synthetic(shares, 1.5)
