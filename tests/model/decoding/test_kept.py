"""What is kept is attended to as it was written: compiled or not, by one thread or more, in int8 nearly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from model.decoding import kept
from model.decoding.kept import MAX_COMPILED_ROWS, Kept, Reach, attend

SIZES = [50, 1, 33]
HEADS, WIDTH = 2, 8
CPU = torch.device("cpu")


@pytest.fixture
def vectors() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(3, HEADS, 50, WIDTH), torch.randn(3, HEADS, 50, WIDTH)


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(kept, "MIN_SHARED_POSITIONS", 0)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(num_threads)


def store(vectors: tuple[Tensor, Tensor], int8: bool = False) -> Kept:
    """Keep the vectors from the second place on."""
    room = Kept((4, HEADS, 60, WIDTH), torch.empty(0), int8)
    room.write((slice(1, 4), slice(None), slice(50)), *vectors)
    return room


def expected(query_AGD: Tensor, vectors: tuple[Tensor, Tensor]) -> Tensor:
    return attend(query_AGD.unflatten(-1, (HEADS, WIDTH)).transpose(1, 2), *vectors, Reach.of(SIZES, CPU).bias)


@pytest.mark.parametrize("group", [1, 3, MAX_COMPILED_ROWS + 1])
def test_rows_hear_their_own_positions_only(group: int, vectors: tuple[Tensor, Tensor]) -> None:
    query_AGD = torch.randn(3, group, HEADS * WIDTH)
    heard = store(vectors).attend(query_AGD, Reach.of(SIZES, CPU), first=1)
    torch.testing.assert_close(heard, expected(query_AGD, vectors), atol=2e-6, rtol=0)


@pytest.mark.usefixtures("two_threads")
def test_threads_share_the_windows(vectors: tuple[Tensor, Tensor]) -> None:
    query_AGD = torch.randn(3, 2, HEADS * WIDTH)
    heard = store(vectors).attend(query_AGD, Reach.of(SIZES, CPU), first=1)
    torch.testing.assert_close(heard, expected(query_AGD, vectors), atol=2e-6, rtol=0)


@pytest.mark.parametrize("group", [1, MAX_COMPILED_ROWS + 1])
def test_int8_keeps_nearly_the_same(group: int, vectors: tuple[Tensor, Tensor]) -> None:
    query_AGD = torch.randn(3, group, HEADS * WIDTH)
    heard = store(vectors, int8=True).attend(query_AGD, Reach.of(SIZES, CPU), first=1)
    wanted = expected(query_AGD, vectors)
    assert (heard - wanted).norm() < 0.02 * wanted.norm()
    assert not torch.equal(heard, wanted)


def test_scores_of_any_size_are_no_overflow(vectors: tuple[Tensor, Tensor]) -> None:
    query_AGD = 1000 * torch.randn(3, 1, HEADS * WIDTH)
    heard = store(vectors).attend(query_AGD, Reach.of(SIZES, CPU), first=1)
    torch.testing.assert_close(heard, expected(query_AGD, vectors), atol=1e-4, rtol=0)
