"""The engine computes what the network computes, whatever stands beside a row and wherever it stands."""

from __future__ import annotations

import pytest
import torch

from model.decoding.engine import Cache, Engine
from model.decoding.packed import Int8Linear
from model.net import Whisper
from pipeline.errors import UserError
from tests.model.decoding.learnt import DIMS, Learnt

SOT = 5  # any token will do


@pytest.fixture(scope="module")
def net() -> Whisper:
    torch.manual_seed(0)
    model = Whisper(DIMS).eval()
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    return model


@torch.no_grad()
def test_rows_at_places_of_their_own_compute_what_the_network_does(net: Whisper) -> None:
    engine, mels = Engine(net), [torch.randn(8, 60), torch.randn(8, 23), torch.randn(8, 40)]
    texts = [[SOT, 7, 8, 9, 10, 11], [3, 2, SOT, 1, 6, 12], [SOT, 4, 9, 7, 2, 3]]
    whole = [net(mel_FT[None], torch.tensor([text]))[0] for mel_FT, text in zip(mels, texts, strict=True)]
    cache = Cache(engine, num_windows=3, group=1, max_positions=30)
    audio = engine.encode(mels)
    at_sot, at_end = engine.start(audio[:2], [texts[0][:2], texts[1][:4]], SOT, cache, 0)
    torch.testing.assert_close(at_sot, torch.stack([whole[0][0], whole[1][2]]), atol=1e-5, rtol=0)
    torch.testing.assert_close(at_end, torch.stack([whole[0][1], whole[1][3]]), atol=1e-5, rtol=0)
    both = engine.step(cache, [texts[0][2], texts[1][4]], [2, 4])
    torch.testing.assert_close(both, torch.stack([whole[0][2], whole[1][4]]), atol=1e-5, rtol=0)
    engine.start(audio[2:], [texts[2][:1]], SOT, cache, 2)  # a window that comes later
    cache.move(2, 0)  # and takes the place of the first
    both = engine.step(cache, [texts[2][1], texts[1][5]], [1, 5])
    torch.testing.assert_close(both, torch.stack([whole[2][1], whole[1][5]]), atol=1e-5, rtol=0)


@torch.no_grad()
def test_rows_of_a_window_share_its_audio_and_go_on_from_each_other(net: Whisper) -> None:
    engine, mel_FT = Engine(net), torch.randn(8, 30)
    cache = Cache(engine, num_windows=1, group=2, max_positions=30)
    engine.start(engine.encode([mel_FT]), [[SOT, 7]], SOT, cache, 0)
    engine.step(cache, [8, 9], [2, 2])
    cache.reorder([1, 1], 3)
    found = engine.step(cache, [10, 11], [3, 3])
    expected = [net(mel_FT[None], torch.tensor([[SOT, 7, 9, last]]))[0, -1] for last in (10, 11)]
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_model_that_wants_its_windows_padded_hears_all_of_the_context(net: Whisper) -> None:
    engine, mel_FT = Engine(net, pads_windows=True), torch.randn(8, 23)
    context = DIMS.n_audio_ctx * 2
    padded = torch.nn.functional.pad(mel_FT, (0, context - 23))
    [audio_SD, full_SD] = engine.encode([mel_FT, padded])
    assert len(audio_SD) == DIMS.n_audio_ctx
    torch.testing.assert_close(audio_SD, net.encoder(padded[None])[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(audio_SD, full_SD)
    assert len(Engine(net).encode([mel_FT])[0]) == 12


@torch.no_grad()
def test_int8_stays_near_float32(learnt: Learnt) -> None:
    before = {name: weight.clone() for name, weight in learnt.net.state_dict().items()}
    plain, rounded = Engine(learnt.net), Engine(learnt.net, int8=True)
    one, other = (engine.hear(engine.encode(learnt.mels), SOT).softmax(-1) for engine in (plain, rounded))
    assert (one - other).abs().max() < 0.05
    assert all(torch.equal(weight, before[name]) for name, weight in learnt.net.state_dict().items())


def test_int8_layers_multiply_to_one_percent() -> None:
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(64, 32), torch.randn(5, 64)
    exact = linear(x)
    error = (Int8Linear(linear.weight, linear.bias)(x) - exact).norm() / exact.norm()
    assert error < 0.02


def test_int8_needs_a_cpu() -> None:
    with pytest.raises(UserError, match="int8 on meta is not supported; expected an x86 CPU; set int8=false or device"):
        Int8Linear(torch.empty(2, 2, device="meta"), None)
