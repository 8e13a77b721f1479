"""A stream's order uses every sample once an epoch, some shards at a time, and is reached from anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from model.data.order import Order, permute

SIZES = (3, 5, 1, 7, 4)
TOTAL = sum(SIZES)
SHARD_OF = np.repeat(np.arange(len(SIZES)), SIZES)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 64, 100, 1000])
def test_permute_is_a_bijection_that_depends_on_its_key(size: int) -> None:
    orders = [[permute(index, size, key) for index in range(size)] for key in ("a", "b")]
    assert all(sorted(order) == list(range(size)) for order in orders)
    assert size < 10 or orders[0] != orders[1]


@pytest.mark.parametrize("at_once", [0, 1, 2, 3, 5, 9])
def test_every_epoch_uses_every_sample_once_in_another_order(at_once: int) -> None:
    order = Order(SIZES, at_once, "7/transcribe-en")
    places = [order.place(draw) for draw in range(4 * TOTAL)]
    epochs = [places[start : start + TOTAL] for start in range(0, 4 * TOTAL, TOTAL)]
    assert all(sorted(epoch) == list(range(TOTAL)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert [Order(SIZES, at_once, "7/transcribe-en").place(draw) for draw in (70, 3, 41)] == [
        places[draw] for draw in (70, 3, 41)
    ]
    assert [Order(SIZES, at_once, "8/transcribe-en").place(draw) for draw in range(TOTAL)] != epochs[0]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_only_so_many_shards_are_mixed_and_every_epoch_mixes_others(at_once: int) -> None:
    order = Order(SIZES, at_once, "0/s")
    windows: list[list[frozenset[int]]] = []
    for epoch in range(3):
        shards = [int(SHARD_OF[order.place(epoch * TOTAL + draw)]) for draw in range(TOTAL)]
        rest, sets = shards, list[frozenset[int]]()
        while rest:
            window: set[int] = set()
            length = 0
            while length < len(rest) and (rest[length] in window or len(window) < at_once):
                window.add(rest[length])
                length += 1
            sets.append(frozenset(window))
            rest = rest[length:]
        assert sum(map(len, sets)) == len(SIZES)  # no shard comes back once it is done
        windows.append(sets)
    assert windows[0] != windows[1] or windows[1] != windows[2]


def test_a_neighbour_lies_in_the_shards_that_are_mixed() -> None:
    order, rng = Order(SIZES, 2, "0/s"), np.random.default_rng(0)
    for draw in range(TOTAL):
        window = {int(SHARD_OF[order.place(other)]) for other in range(TOTAL) if _is_mixed_with(order, draw, other)}
        assert {int(SHARD_OF[order.neighbour(draw, rng)]) for _ in range(20)} <= window


@pytest.mark.parametrize("at_once", [1, 2, 3, 5])
def test_the_shards_to_come_are_those_that_are_mixed_and_those_after_them(at_once: int) -> None:
    order = Order(SIZES, at_once, "0/s")
    for draw in range(2 * TOTAL):
        now, following = order.upcoming(draw)
        assert int(SHARD_OF[order.place(draw)]) in now and len(now) <= at_once
        later = next(
            (number for number in range(draw, 3 * TOTAL) if order.upcoming(number) != (now, following)), draw + TOTAL
        )
        assert order.upcoming(later)[0] == following
    assert order.upcoming(4)[0] == Order(SIZES, at_once, "0/s").upcoming(4)[0]


def _is_mixed_with(order: Order, draw: int, other: int) -> bool:
    return order._span(0, draw) is order._span(0, other)  # pyright: ignore[reportPrivateUsage]
