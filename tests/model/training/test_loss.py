"""The loss in pieces is the loss, and so are its gradients; and what a step costs is counted as PyTorch counts it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from model.data.batch import Batch
from model.flops import batch_flops
from model.net import Whisper
from model.training import loss
from model.training.loss import token_loss
from model.training.meter import Meter
from tests.model.tiny_training import card


@pytest.mark.parametrize("number", [0, 1, 700])
def test_pieces_give_the_loss_and_the_gradients_of_the_whole(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(loss, "CPU_TOKENS", 256)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(number, 16, generator=generator, requires_grad=True)
    head = torch.randn(50, 16, generator=generator, requires_grad=True)
    targets, weights = torch.randint(50, (number,), generator=generator), torch.rand(number, generator=generator)
    summed, nll = token_loss(hidden, head, targets, weights)
    (summed * 0.5).backward()
    mine = [hidden.grad, head.grad]
    hidden.grad = head.grad = None
    expected = F.cross_entropy(hidden @ head.t(), targets, reduction="none")
    ((expected * weights).sum() * 0.5).backward()
    torch.testing.assert_close(nll, expected)
    for grad, theirs in zip(mine, [hidden.grad, head.grad], strict=True):
        torch.testing.assert_close(grad, theirs, rtol=1e-4, atol=1e-5)


def test_without_gradients_none_are_made() -> None:
    head = torch.randn(5, 4, requires_grad=True)
    with torch.no_grad():
        summed, nll = token_loss(torch.randn(3, 4), head, torch.tensor([0, 1, 2]), torch.ones(3))
    torch.testing.assert_close(summed, nll.sum())
    assert not summed.requires_grad


def test_counted_operations_are_those_of_a_step() -> None:
    dims = replace(card().dims, n_audio_layer=3, n_text_layer=2, n_audio_ctx=150)
    net, frames, tokens = Whisper(dims), 300, 40
    with FlopCounterMode(display=False) as counter:
        net(torch.randn(2, dims.n_mels, frames), torch.randint(dims.n_vocab, (2, tokens))).sum().backward()
    measured = counter.get_total_flops()  # on a CPU, attention's products are not among them
    attention = 3 * 2 * (3 * 4 * 150 * 150 * 32 + 2 * (2 * tokens * tokens * 32 + 4 * tokens * 150 * 32))
    assert batch_flops(dims, [frames] * 2, [tokens] * 2) == pytest.approx(measured + attention, rel=0.02)


def test_padding_counts_for_nothing(shards_batch: Batch) -> None:
    meter = Meter(card().dims, peak_tflops=1.0)
    meter.batch_came(shards_batch)
    speed = meter.take_speed()
    seconds = shards_batch.num_samples_B.double() / 16_000
    padded = shards_batch.audio_BN.shape[1] / 16_000 * len(seconds)
    assert speed["speed/padding"] == pytest.approx(1 - float(seconds.sum()) / padded)
    assert speed["speed/mfu"] > 0 and meter.take_speed()["speed/tflops_per_device"] == 0.0


@pytest.fixture
def shards_batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    from tests.model.tiny_shards import windows, write_shards
    from tests.model.tiny_training import batch_of

    return batch_of(write_shards(tmp_path_factory.mktemp("shards"), windows()))
