"""Training batches whose order is a pure function of (seed, mixture, position).

Example n of a run has a stream by the mixture's timetable, a place by that stream's own permutation for the epoch it
is in, and its own random numbers. Ranks and gradient accumulation take slices of a global batch and workers whole
batches, so neither changes what is learnt; to resume is to start at another position.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset, Sampler

from model.data.augment import change_sound, join
from model.data.batch import Batch, Example, collate
from model.data.corpus import Corpus
from model.data.examples import Encoder, LoaderConfig, fits, make_example
from model.data.mixture import (
    POOLED_TASKS,
    Mixture,
    Phases,
    Schedule,
    cap_synthetic,
    capped,
    synthetic_limits,
    weights_by_step,
)
from model.data.order import Order
from model.data.transport import IS_AVAILABLE, Parcel
from model.sample import Sample
from model.tasks.registry import task
from pipeline.errors import DataError, UserError

MAX_SKIPS = 100  # neighbours tried before a stream counts as unusable
PREFETCH = 4
log = logging.getLogger(__name__)
ROW_OVERHEAD_MS = 2_000  # the decoder's work on a row, in audio that costs the encoder as much


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """This process's share of a global batch: one of `world` ranks, each taking `accumulate` steps to it."""

    rank: int = 0
    world: int = 1
    accumulate: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One example before anything is read: its number in the run, its stream, and the windows it is made of."""

    number: int
    stream: str
    places: tuple[int, ...]
    duration_ms: int


class TrainingBatches(Dataset[Batch]):
    """Batch p of this process, for any p: its share of global batch p // accumulate."""

    def __init__(
        self,
        corpus: Corpus,
        weights: Mapping[int, Mapping[str, float]],
        config: LoaderConfig,
        encoder: Encoder,
        part: Slice,
    ) -> None:
        """Lay out the order; `weights` as shares() gives them. UserError when a batch does not divide among ranks."""
        self.num_slices = part.world * part.accumulate
        rows = "row_multiple" if config.row_multiple else "batch_size"
        if getattr(config, rows) % self.num_slices:
            raise UserError(
                f"loader.{rows} {getattr(config, rows)} does not divide into {part.world} ranks x {part.accumulate} "
                f"accumulation steps; expected a multiple of {self.num_slices}; change one of the three"
            )
        self.schedule = Schedule(weights, config.batch_size, config.seed)
        self._orders = {
            name: Order(corpus.shard_sizes(name), config.shards_at_once, f"{config.seed}/{name}")
            for name in self.schedule.streams
        }
        self._corpus, self._config, self._encoder, self._part = corpus, config, encoder, part
        self._pools: dict[int, list[list[Planned]]] = {}
        self._expected: list[tuple[str, int]] = []

    def __getitem__(self, position: int) -> Batch:
        """Read, change, encode and pad this process's share of a global batch."""
        self._look_ahead(position // self._part.accumulate)
        made = [self._example(planned) for planned in self.share(position)]
        return collate(
            [example for example, _ in made],
            pad_token=self._encoder.tokenizer.eot,
            num_skipped=sum(skipped for _, skipped in made),
        )

    def share(self, position: int) -> list[Planned]:
        """Return the examples of this process's share of a global batch."""
        index, turn = divmod(position, self._part.accumulate)
        return self.plan(index)[self._part.rank * self._part.accumulate + turn :: self.num_slices]

    def plan(self, index: int) -> list[Planned]:
        """Return the examples of a global batch, of all ranks."""
        pool, row = divmod(index, self._config.pool_batches)
        if pool not in self._pools:
            self._pools = {pool: self._lay_out_pool(pool)}
        return self._pools[pool][row]

    def epochs(self, index: int) -> dict[str, float]:
        """Return how often each stream's samples have been used before a global batch."""
        return {name: drawn / self._corpus.num_standing(name) for name, drawn in self.schedule.drawn(index).items()}

    def _look_ahead(self, index: int) -> None:
        """Say which shards a batch and those after it take: all that are mixed now, then all that are mixed next."""
        if not self._corpus.is_remote:
            return
        spans = {name: self._orders[name].upcoming(draw) for name, draw in self.schedule.drawn(index).items()}
        expected = [(name, shard) for turn in (0, 1) for name, span in spans.items() for shard in span[turn]]
        if expected != self._expected:
            self._expected = expected
            self._corpus.expect(expected)

    def _lay_out_pool(self, pool: int) -> list[list[Planned]]:
        """Plan the batches of a pool: examples alike in length share one, and the batches stand in a seeded order."""
        size, count = self._config.batch_size, self._config.pool_batches
        planned: list[Planned] = []
        for index in range(pool * count, (pool + 1) * count):
            for row, draw in enumerate(self.schedule.batch(index)):
                planned.append(self._plan_example(index * size + row, draw.stream, draw.number))
        if count > 1:
            planned.sort(key=lambda example: (example.duration_ms, example.number))
        order = np.random.default_rng([self._config.seed, pool]).permutation(count)
        if self._config.row_multiple:
            batches = even_batches(planned, count, self._config.row_multiple)
        else:
            batches = [planned[row * size : (row + 1) * size] for row in range(count)]
        return [batches[row] for row in order]

    def _plan_example(self, number: int, stream: str, draw: int) -> Planned:
        """Choose the window of a stream's draw-th example and, where both fit, one to join to it."""
        order = self._orders[stream]
        first = order.place(draw)
        rng = np.random.default_rng([self._config.seed, number, 0])
        wants_join = rng.random() < self._config.augment.join_prob and stream not in POOLED_TASKS
        places = (first, order.neighbour(draw, rng)) if wants_join else (first,)
        duration_ms = sum(self._corpus.duration_ms(stream, place) for place in places)
        if duration_ms > self._encoder.max_ms:
            places, duration_ms = (first,), self._corpus.duration_ms(stream, first)
        return Planned(number=number, stream=stream, places=places, duration_ms=duration_ms)

    def _example(self, planned: Planned) -> tuple[Example, int]:
        rng = np.random.default_rng([self._config.seed, planned.number, 1])
        name = planned.stream.split("-")[0]
        found = [self._usable(planned.stream, name, place) for place in planned.places]
        sample = found[0][0]
        joined = join(sample, found[1][0]) if len(found) > 1 else sample
        # What stands in for another window may be longer than was planned.
        if fits(joined, self._encoder, self._config.tasks.max_tokens):
            sample = joined
        sample = change_sound(sample, self._config.augment, rng, self._encoder.max_ms)
        return make_example(sample, name, self._config, self._encoder, rng), sum(skipped for _, skipped in found)

    def _usable(self, stream: str, name: str, place: int) -> tuple[Sample, int]:
        """Read the sample at a place, or the next one after it that can serve the task."""
        size = self._corpus.size(stream)
        for skipped in range(min(size, MAX_SKIPS)):
            sample = self._corpus.read(stream, (place + skipped) % size)
            if task(name).eligible(sample) and fits(sample, self._encoder, self._config.tasks.max_tokens):
                return sample, skipped
        raise DataError(
            f"stream {stream!r} has no sample that can serve {name} from place {place} on; "
            "expected one; give the stream weight 0, or ingest with other rules"
        )


def shares(
    mixture: Mixture | Phases, corpus: Corpus, config: LoaderConfig, num_batches: int, taken_down: bool = False
) -> dict[int, dict[str, float]]:
    """Return the streams' shares by the step they hold from, none repeated more than allowed in so many batches.

    Of a task in a language at most `max_synthetic_share` is synthetic, also where people's speech repeats too often.
    What was taken down counts, in hours and in samples, only with `taken_down`.
    """
    most_synthetic = config.max_synthetic_share
    asked = weights_by_step(mixture, corpus.hours(taken_down))
    weights = {step: cap_synthetic(phase, most_synthetic) for step, phase in asked.items()}
    alone = {name for step in asked for name, share in weights[step].items() if share < asked[step][name] * 1e-9}
    if alone and most_synthetic and not taken_down:
        log.warning("no speech of people stands beside %s; loader.max_synthetic_share leaves it out", sorted(alone))
    if config.max_epochs is None:
        return weights
    num_examples = num_batches * config.batch_size
    count = corpus.size if taken_down else corpus.num_standing
    most = {name: config.max_epochs * count(name) / num_examples for name in corpus.pools}
    most |= {name: min(most[name], limit) for name, limit in synthetic_limits(most, most_synthetic).items()}
    return {step: capped(phase, most) for step, phase in weights.items()}


def even_batches(planned: Sequence[Planned], count: int, multiple: int) -> list[list[Planned]]:
    """Cut examples, sorted by length, into batches whose longest takes the least time that this count allows.

    Each batch has a multiple of `multiple` rows. A row costs the longest window of its batch and a constant.
    """
    blocks = [planned[start : start + multiple] for start in range(0, len(planned), multiple)]
    costs = [block[-1].duration_ms + ROW_OVERHEAD_MS for block in blocks]
    low, high = max(costs), max(costs) * len(costs)
    while low < high:
        budget = (low + high) // 2
        low, high = (low, budget) if len(_ends(costs, budget)) <= count else (budget + 1, high)
    ends = _ends(costs, low)
    while len(ends) < count:  # cheaper than planned: split the batch with the most blocks
        bounds = [0, *ends]
        place = max(range(len(ends)), key=lambda number: bounds[number + 1] - bounds[number])
        ends.insert(place, (bounds[place] + bounds[place + 1]) // 2)
    return [[row for block in blocks[start:end] for row in block] for start, end in pairwise([0, *ends])]


def _ends(costs: Sequence[int], budget: int) -> list[int]:
    """Return where each batch ends when each takes as many blocks as the budget allows."""
    ends, start = list[int](), 0
    for end, cost in enumerate(costs):
        if (end + 1 - start) * cost > budget:
            ends.append(end)
            start = end
    return [*ends, len(costs)]


class Positions(Sampler[int]):
    """Positions from a start to the end of training; the length counts from zero, as Lightning's own counter does."""

    def __init__(self, start: int, stop: int) -> None:
        """Start at the first position not yet trained on."""
        self._start, self._stop = start, stop

    def __iter__(self) -> Iterator[int]:
        """Yield what is left."""
        return iter(range(self._start, self._stop))

    def __len__(self) -> int:
        """Return the length of the whole run."""
        return self._stop


class BatchLoader(DataLoader[Batch]):
    """Read batches ahead in worker processes, whose number changes nothing but the time."""

    def __init__(
        self, batches: Dataset[Batch], positions: Iterable[int], num_workers: int, pin_memory: bool = False
    ) -> None:
        """Read the batches at these positions, in their order; into pinned memory for a GPU."""
        send: Any = Parcel if num_workers and IS_AVAILABLE else None
        super().__init__(
            batches,
            sampler=positions,
            batch_size=None,
            num_workers=num_workers,
            prefetch_factor=PREFETCH if num_workers else None,
            pin_memory=pin_memory,
            collate_fn=send,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the position is the data module's, and no worker holds any state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up nothing."""
