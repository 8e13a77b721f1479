"""Which stream the next example comes from, as a pure function of its position; and how much each loss counts.

A stream is a task in one language ("translate-sw"), or a task over all languages for those that need no pair
("detect_language", "no_speech"). What machines spoke has streams of its own ("transcribe-sw-synthetic"). Every global
batch holds each stream's share to within one example, and after any number of batches a stream is less than one
example away from its share: a timetable, not dice.
"""

from __future__ import annotations

import logging
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError, unknown_name

POOLED_TASKS = ("detect_language", "no_speech")  # one stream for all languages
SYNTHETIC = "-synthetic"  # ends the name of a stream of what machines spoke
WEIGHT_UNITS = 10_000  # weights are kept to 1/10,000, so that the timetable repeats and position is arithmetic

logger = logging.getLogger(__name__)


def stream_name(task: str, lang: str, is_synthetic: bool = False) -> str:
    """Return the stream an example of this task and language belongs to."""
    return task if task in POOLED_TASKS else f"{task}-{lang}{SYNTHETIC if is_synthetic else ''}"


class Mixture(Protocol):
    """A rule that gives each available stream the probability that the next example comes from it."""

    def weights(self, hours: Mapping[str, float]) -> dict[str, float]:
        """Return stream -> probability, of all streams in `hours`; they sum to 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Weights written down. Every stream of the data must be named; 0 leaves one out.

    With `renormalise`, streams the data does not have are dropped and the others keep their proportions.
    """

    table: Mapping[str, float]
    renormalise: bool

    def weights(self, hours: Mapping[str, float]) -> dict[str, float]:
        """Return the table, checked against the data."""
        total = sum(self.table.values())
        if not math.isclose(total, 1.0, abs_tol=1e-6) or min(self.table.values()) < 0:
            raise UserError(f"mixture weights sum to {total:g}; expected 1 and none below 0; mend the table")
        unweighted = sorted(set(hours) - set(self.table))
        if unweighted:
            raise UserError(
                f"mixture has no weight for streams {unweighted}; have weights for {sorted(self.table)}; "
                "add them (0 leaves a stream out)"
            )
        absent = sorted(name for name, weight in self.table.items() if weight > 0 and not hours.get(name))
        if absent and not self.renormalise:
            raise UserError(
                f"mixture names streams {absent} that the shards lack; they have {sorted(hours)}; "
                "ingest them, set their weight to 0, or set renormalise=true"
            )
        if absent:
            logger.warning("mixture: the shards have no %s; the other weights are scaled up", absent)
        return _proportional({name: self.table[name] for name in hours}, "the table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """Weights by hours ** alpha: 1 follows the data, 0 treats all streams alike (Arivazhagan et al. 2019, §4).

    Pooled streams repeat the audio of others, so each has its own fixed share.
    """

    alpha: float
    pooled: Mapping[str, float]

    def weights(self, hours: Mapping[str, float]) -> dict[str, float]:
        """Return the shares; a pooled stream without data gives its share to the others."""
        for name in self.pooled:
            if name not in POOLED_TASKS:
                raise unknown_name("pooled stream", name, POOLED_TASKS)
        pooled = {name: self.pooled.get(name, 0.0) for name in hours if name in POOLED_TASKS}
        paired = {name: value**self.alpha for name, value in hours.items() if name not in POOLED_TASKS}
        rest = 1.0 - sum(pooled.values())
        scaled = {name: rest * share for name, share in _proportional(paired, "hours").items()}
        return scaled | pooled


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A mixture and the step, counted in global batches, from which it holds."""

    from_step: int
    mixture: Mixture


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """Mixtures one after the other over a run (a curriculum, an annealed temperature)."""

    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        """Refuse phases that leave the beginning open or do not follow each other."""
        starts = [phase.from_step for phase in self.phases]
        if starts[:1] != [0] or starts != sorted(set(starts)):
            raise UserError(
                f"mixture phases begin at steps {starts}; expected 0 first and each later than the one before; "
                "mend their from_step"
            )


Weights = dict[str, float]


def weights_by_step(mixture: Mixture | Phases, hours: Mapping[str, float]) -> dict[int, Weights]:
    """Return the shares of every phase by the step it begins at; a plain mixture is one phase."""
    if isinstance(mixture, Phases):
        return {phase.from_step: phase.mixture.weights(hours) for phase in mixture.phases}
    return {0: mixture.weights(hours)}


def capped(weights: Mapping[str, float], most: Mapping[str, float]) -> Weights:
    """Return the shares with none above its limit; what is cut goes to the others in their proportions.

    UserError when the limits leave shares that nobody may take.
    """
    shares, full = dict(weights), set[str]()
    while over := {name for name, share in shares.items() if name not in full and share > most[name] * (1 + 1e-9)}:
        full |= over
        rest = 1.0 - sum(most[name] for name in full)
        free = sum(weights[name] for name in shares if name not in full)
        if rest < 0 or free <= 0:
            raise UserError(
                f"mixture shares {_rounded(weights)} repeat their streams more than loader.max_epochs allows, and no "
                f"stream is left to take what is cut (most: {_rounded(most)}); train for fewer steps, ingest more "
                "audio, or raise loader.max_epochs"
            )
        shares = {name: most[name] if name in full else weights[name] / free * rest for name in shares}
    return shares


def synthetic_limits(shares: Mapping[str, float], max_share: float) -> Weights:
    """Return the most that each synthetic stream may have, beside what its task has of people in its language."""
    if not 0 <= max_share <= 1:
        raise UserError(f"loader.max_synthetic_share {max_share} is no share; expected 0 to 1; mend it")
    if max_share == 1:
        return {}
    beside = max_share / (1 - max_share)
    return {name: beside * shares.get(name.removesuffix(SYNTHETIC), 0.0) for name in shares if name.endswith(SYNTHETIC)}


def cap_synthetic(weights: Mapping[str, float], max_share: float) -> Weights:
    """Return the shares with at most `max_share` of a task's examples in a language spoken by machines.

    What is cut goes to the other pairs in their proportions. Where people speak nothing of a task and language, nothing
    of it is left; only a share of 1 lets machines stand for people.
    """
    limits = synthetic_limits(weights, max_share)
    if not limits:
        return dict(weights)
    pooled = {name: weight for name, weight in weights.items() if name in POOLED_TASKS}
    cut = {name: min(weight, limits.get(name, weight)) for name, weight in weights.items() if name not in pooled}
    rest = 1.0 - sum(pooled.values())
    return {name: rest * share for name, share in _proportional(cut, "loader.max_synthetic_share").items()} | pooled


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One example's place: its stream, and how many examples that stream gave before it."""

    stream: str
    number: int


class Schedule:
    """The timetable of a mixture for batches of one size; what batch b draws is arithmetic, whatever b is."""

    def __init__(self, weights: Mapping[int, Mapping[str, float]], batch_size: int, seed: int) -> None:
        """Lay out one period of each phase; its weights sum to 1 and are rounded to 1/10,000."""
        self.batch_size = batch_size
        self._seed = seed
        self._starts = sorted(weights)
        self._periods = [_Period(weights[start], batch_size) for start in self._starts]
        self.streams = sorted({name for period in self._periods for name in period.streams})
        self._given = [Counter[str]()]
        for period, start, end in zip(self._periods, self._starts, self._starts[1:], strict=False):
            self._given.append(self._given[-1] + Counter(period.drawn(end - start)))

    def batch(self, index: int) -> list[Draw]:
        """Return the draws of a global batch, in a seeded order."""
        period, given, local = self._at(index)
        before = period.drawn(local)
        draws = [
            Draw(stream=name, number=given[name] + before[name] + step)
            for name, count in period.counts(local).items()
            for step in range(count)
        ]
        order = np.random.default_rng([self._seed, index]).permutation(len(draws))
        return [draws[place] for place in order]

    def drawn(self, index: int) -> dict[str, int]:
        """Return how many examples each stream has given before a batch."""
        period, given, local = self._at(index)
        total = given + Counter(period.drawn(local))
        return {name: total[name] for name in self.streams}

    def shares(self, index: int) -> dict[str, float]:
        """Return the shares that hold at a batch, as they are kept."""
        kept = self._at(index)[0].shares
        return {name: kept.get(name, 0.0) for name in self.streams}

    def _at(self, index: int) -> tuple[_Period, Counter[str], int]:
        """Return the phase of a batch, what the phases before it drew, and the batch's number in it."""
        place = bisect_right(self._starts, index) - 1
        return self._periods[place], self._given[place], index - self._starts[place]


class _Period:
    """The batches after which a phase's shares come out whole, and which it repeats."""

    def __init__(self, weights: Mapping[str, float], batch_size: int) -> None:
        self.streams = sorted(name for name, weight in weights.items() if weight > 0)
        units = _round_to_units([weights[name] for name in self.streams])
        self.shares = {name: unit / WEIGHT_UNITS for name, unit in zip(self.streams, units, strict=True)}
        self._counts = _period_counts(units, batch_size)
        self._before = np.concatenate([np.zeros_like(self._counts[:1]), self._counts.cumsum(axis=0)])

    def counts(self, index: int) -> dict[str, int]:
        """Return how many examples of each stream a batch of the phase holds."""
        return dict(zip(self.streams, self._counts[index % len(self._counts)].tolist(), strict=True))

    def drawn(self, index: int) -> dict[str, int]:
        """Return how many each stream has given before it."""
        turn, row = divmod(index, len(self._counts))
        return dict(zip(self.streams, (turn * self._before[-1] + self._before[row]).tolist(), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """How much an example's loss counts: the weight of its spoken language times the weight of its task."""

    language: Mapping[str, float]
    task: Mapping[str, float]

    def of(self, task: str, lang: str) -> float:
        """Return the unnormalised weight; UserError for a language or task without one."""
        if lang not in self.language:
            raise unknown_name("loss weight of language", lang, self.language)
        if task not in self.task:
            raise unknown_name("loss weight of task", task, self.task)
        return self.language[lang] * self.task[task]


def _rounded(values: Mapping[str, float]) -> Weights:
    return {name: round(value, 4) for name, value in values.items()}


def _proportional(values: Mapping[str, float], what: str) -> dict[str, float]:
    total = sum(values.values())
    if total <= 0:
        raise UserError(f"mixture gives every stream of the shards weight 0 by {what}; give one a weight above 0")
    return {name: value / total for name, value in values.items()}


def _round_to_units(weights: Iterable[float]) -> list[int]:
    """Round to whole units that sum to WEIGHT_UNITS, by largest remainder; no stream is rounded to nothing."""
    exact = [weight * WEIGHT_UNITS for weight in weights]
    units = [max(1, math.floor(value + 1e-6)) for value in exact]
    spare = WEIGHT_UNITS - sum(units)
    by_remainder = sorted(range(len(exact)), key=lambda place: units[place] - exact[place])
    for place in by_remainder[: max(spare, 0)]:
        units[place] += 1
    units[units.index(max(units))] += min(spare, 0)
    return units


def _period_counts(units: list[int], batch_size: int) -> NDArray[np.int64]:
    """Return examples per (batch, stream) until the shares come out whole.

    Each batch takes the whole part of every share. What is left is shared out as a processor shares slots among
    periodic jobs: a stream's next extra example has a first and a last batch in which it keeps the running error
    below one, and the earliest last batch goes first (Baruah et al. 1996, "Proportionate progress").
    """
    whole, part = np.divmod(np.array(units, dtype=np.int64) * batch_size, WEIGHT_UNITS)
    period = WEIGHT_UNITS // math.gcd(batch_size, WEIGHT_UNITS)
    extras = [0] * len(units)
    counts = np.tile(whole, (period, 1))
    for row in range(period):
        for stream in _most_urgent(part.tolist(), extras, row):
            counts[row, stream] += 1
            extras[stream] += 1
    return counts


def _most_urgent(part: list[int], extras: list[int], row: int) -> list[int]:
    """Return the streams that get one extra example in this batch."""
    seats = sum(part) // WEIGHT_UNITS
    ready = [place for place, share in enumerate(part) if share and extras[place] * WEIGHT_UNITS // share <= row]
    ready.sort(key=lambda place: (-(-(extras[place] + 1) * WEIGHT_UNITS // part[place]), -part[place]))
    return ready[:seats]
