"""The network: OpenAI's keys and numbers, and windows of any length giving the same result."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch._dynamo
from torch import Tensor

from model.net import ModelDimensions, Whisper, num_parameters, sinusoids
from pipeline.errors import UserError

SMALL = dict(
    n_mels=8, n_audio_ctx=30, n_audio_state=16, n_audio_head=2, n_audio_layer=2,
    n_vocab=50, n_text_ctx=12, n_text_state=16, n_text_head=4, n_text_layer=2,
)  # fmt: skip


def small_model(**options: Any) -> Whisper:
    torch.manual_seed(0)
    model = Whisper(ModelDimensions(**SMALL), **options).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)  # biases too: padding must not leak through them
    return model


def mel_rows(*lengths: int) -> tuple[Tensor, Tensor]:
    """Return rows of noise, the padding too, and their lengths."""
    return torch.randn(len(lengths), 8, max(lengths)), torch.tensor(lengths)


ATTENTION_KEYS = ["query.weight", "query.bias", "key.weight", "value.weight", "value.bias", "out.weight", "out.bias"]
NORM_KEYS = ["weight", "bias"]
MLP_KEYS = ["mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias", "mlp_ln.weight", "mlp_ln.bias"]
SELF_KEYS = [*(f"attn.{key}" for key in ATTENTION_KEYS), *(f"attn_ln.{key}" for key in NORM_KEYS)]
CROSS_KEYS = [*(f"cross_attn.{key}" for key in ATTENTION_KEYS), *(f"cross_attn_ln.{key}" for key in NORM_KEYS)]


def test_state_dict_keys_are_openais() -> None:
    golden = [
        "encoder.positional_embedding",
        "encoder.conv1.weight",
        "encoder.conv1.bias",
        "encoder.conv2.weight",
        "encoder.conv2.bias",
        *(f"encoder.blocks.{layer}.{key}" for layer in range(2) for key in SELF_KEYS + MLP_KEYS),
        "encoder.ln_post.weight",
        "encoder.ln_post.bias",
        "decoder.positional_embedding",
        "decoder.token_embedding.weight",
        *(f"decoder.blocks.{layer}.{key}" for layer in range(2) for key in SELF_KEYS + CROSS_KEYS + MLP_KEYS),
        "decoder.ln.weight",
        "decoder.ln.bias",
    ]
    assert list(small_model().state_dict()) == golden


def test_logits_are_openais_for_the_same_weights() -> None:
    # Golden numbers from whisper/model.py of openai-whisper 20250625, given these weights.
    dims = ModelDimensions(
        n_mels=8, n_audio_ctx=6, n_audio_state=12, n_audio_head=2, n_audio_layer=1,
        n_vocab=11, n_text_ctx=7, n_text_state=12, n_text_head=3, n_text_layer=2,
    )  # fmt: skip
    model = Whisper(dims).eval()
    weights = model.state_dict()
    for index, (key, weight) in enumerate(sorted(weights.items())):
        if key != "encoder.positional_embedding":
            phase = torch.arange(weight.numel(), dtype=torch.float64) * 0.7 + index
            weights[key] = (0.5 * phase.sin()).reshape(weight.shape).float()
    model.load_state_dict(weights)
    mel = (torch.arange(8 * 12, dtype=torch.float64) * 0.3).sin().reshape(1, 8, 12).float()
    logits = model(mel, torch.tensor([[3, 1, 4]]))
    assert logits[0, 0, :4].tolist() == pytest.approx([-1.59029, 0.84319, 0.71457, -1.58533], abs=2e-5)
    assert logits[0, 2, 7:].tolist() == pytest.approx([0.99677, 0.54114, -1.55878, 1.07778], abs=2e-5)


def test_tiny_has_openais_number_of_parameters() -> None:
    with torch.device("meta"):
        tiny = Whisper(
            ModelDimensions(
                n_mels=80,
                n_audio_ctx=1500,
                n_audio_state=384,
                n_audio_head=6,
                n_audio_layer=4,
                n_vocab=51865,
                n_text_ctx=448,
                n_text_state=384,
                n_text_head=6,
                n_text_layer=4,
            )  # fmt: skip
        )
    assert num_parameters(tiny) == 37_184_640


def test_sinusoids_are_sines_then_cosines() -> None:
    assert sinusoids(2, 4)[0].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert sinusoids(2, 4)[1].tolist() == pytest.approx([math.sin(1), math.sin(1e-4), math.cos(1), math.cos(1e-4)])


def test_a_full_window_gives_one_position_per_20_ms() -> None:
    assert small_model().encoder(torch.randn(1, 8, 60)).shape == (1, 30, 16)


@pytest.mark.parametrize("length", [1, 2, 7, 40, 59, 60])
def test_a_padded_row_equals_the_row_encoded_alone(length: int) -> None:
    model = small_model()
    mel, lengths = mel_rows(60, length, 13)
    alone = model.encoder(mel[1:2, :, :length])
    padded = model.encoder(mel, lengths)[1]
    torch.testing.assert_close(padded[: alone.shape[1]], alone[0], atol=1e-5, rtol=0)
    assert not padded[alone.shape[1] :].any()


def test_padding_does_not_reach_the_logits() -> None:
    model, tokens = small_model(), torch.tensor([[1, 2, 3], [4, 5, 6]])
    mel, lengths = mel_rows(60, 21)
    alone = model(mel[1:, :, :21], tokens[1:])
    torch.testing.assert_close(model(mel, tokens, lengths)[1:], alone, atol=1e-5, rtol=0)


def test_a_token_does_not_see_the_tokens_after_it() -> None:
    model, mel = small_model(), torch.randn(1, 8, 20)
    one, other = model(mel, torch.tensor([[1, 2, 3, 4]])), model(mel, torch.tensor([[1, 2, 30, 40]]))
    torch.testing.assert_close(one[:, :2], other[:, :2], atol=1e-6, rtol=0)
    assert not torch.allclose(one[:, 2:], other[:, 2:])


@pytest.mark.parametrize("recompute", ["cheap", "layers"])
def test_recomputing_keeps_less_and_gives_the_same_gradients(recompute: str) -> None:
    grads, kept_bytes = {}, {}
    for mode in ("nothing", recompute):
        model = small_model(stochastic_depth=0.3, recompute=mode).train()
        mel, lengths = mel_rows(60, 21)
        torch.manual_seed(3)
        with saved_activations() as saved:
            loss = model(mel, torch.randint(50, (2, 12)), lengths).logsumexp(-1).sum()
        kept_bytes[mode] = sum(saved)
        loss.backward()
        grads[mode] = [weight.grad for weight in model.parameters()]
    for plain, again in zip(grads["nothing"], grads[recompute], strict=True):
        torch.testing.assert_close(plain, again, atol=1e-6, rtol=1e-5)
    assert kept_bytes[recompute] < 0.6 * kept_bytes["nothing"]


@contextmanager
def saved_activations() -> Iterator[list[int]]:
    """Collect the bytes of what autograd saves, each storage once."""
    saved: dict[int, int] = {}
    sizes: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield sizes
    sizes += saved.values()


def test_an_unknown_way_to_recompute_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"recompute 'layer' does not exist; have .*; did you mean 'layers'\?"):
        small_model(recompute="layer")


@pytest.mark.parametrize("recompute", ["nothing", pytest.param("cheap", marks=pytest.mark.slow), "layers"])
def test_training_compiles_to_one_graph(recompute: str) -> None:
    torch._dynamo.reset()
    dims = ModelDimensions(**SMALL | {"n_audio_layer": 1, "n_text_layer": 1})
    model = Whisper(dims, stochastic_depth=0.3, recompute=recompute).train()
    mel, lengths = mel_rows(60, 21)
    backend = "aot_eager" if recompute == "cheap" else "eager"  # one traces the backward pass too; it takes seconds
    torch.compile(model, fullgraph=True, backend=backend)(mel, torch.randint(50, (2, 12)), lengths).sum().backward()


def test_fresh_logits_are_near_uniform() -> None:
    torch.manual_seed(1)
    model = Whisper(ModelDimensions(**SMALL | {"n_audio_layer": 6, "n_text_layer": 6}))
    logits = model(torch.randn(4, 8, 60), torch.randint(50, (4, 12)))
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.randint(50, (48,)))
    assert loss.item() == pytest.approx(math.log(50), abs=0.1)


def test_weights_start_gaussian_by_fan_in_and_branches_by_depth() -> None:
    torch.manual_seed(2)
    model = Whisper(ModelDimensions(**SMALL | {"n_audio_state": 64, "n_text_state": 64}))
    decoder, encoder = model.decoder, model.encoder
    for weight, std in (
        (encoder.conv2.weight, (3 * 64) ** -0.5),
        (encoder.blocks[0].attn.query.weight, 64**-0.5),
        (encoder.blocks[1].mlp[2].weight, 256**-0.5 / math.sqrt(2 * 2)),
        (decoder.blocks[1].cross_attn.out.weight, 64**-0.5 / math.sqrt(3 * 2)),
        (decoder.token_embedding.weight, 0.02),
        (decoder.positional_embedding, 0.01),
    ):
        assert weight.std().item() == pytest.approx(std, rel=0.06)
    assert not encoder.blocks[0].mlp[0].bias.any()


def test_every_parameter_learns() -> None:
    model = small_model().train()
    mel, lengths = mel_rows(60, 21)
    model(mel, torch.randint(50, (2, 12)), lengths).logsumexp(-1).sum().backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()] == []


def test_bf16_autocast_stays_close_and_returns_float32_logits() -> None:
    model, tokens = small_model(), torch.randint(50, (2, 12))
    mel, lengths = mel_rows(60, 21)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(mel, tokens, lengths)
    assert logits.dtype == torch.float32
    assert (logits - model(mel, tokens, lengths)).abs().max() < 0.1


def test_stochastic_depth_acts_in_training_only() -> None:
    model, plain = small_model(stochastic_depth=0.5), small_model()
    mel, tokens = torch.randn(2, 8, 60), torch.randint(50, (2, 12))
    assert torch.equal(model(mel, tokens), plain(mel, tokens))
    assert not torch.equal(model.train()(mel, tokens), plain(mel, tokens))


def test_stochastic_depth_drops_whole_rows_and_keeps_the_mean() -> None:
    block = small_model(stochastic_depth=0.4).train().encoder.blocks[1]
    assert [b.drop_prob for b in small_model(stochastic_depth=0.4).encoder.blocks] == [0.2, 0.4]
    dropped = block._drop(torch.ones(20_000, 3, 2))
    assert ((dropped == dropped[:, :1, :1]).all()).item()
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.03)


def test_sizes_that_cannot_work_are_refused() -> None:
    with pytest.raises(UserError, match="n_text_state 32 differs from n_audio_state 16; cross-attention needs"):
        ModelDimensions(**SMALL | {"n_text_state": 32})
    with pytest.raises(UserError, match="n_text_head 5 does not fit width 16; the width must be even"):
        ModelDimensions(**SMALL | {"n_text_head": 5})
    with pytest.raises(UserError, match=r"stochastic_depth 1\.0 is no drop rate; expected 0 to below 1"):
        small_model(stochastic_depth=1.0)


def test_windows_and_texts_beyond_the_context_are_refused() -> None:
    model = small_model()
    with pytest.raises(AssertionError, match="31 audio positions exceed n_audio_ctx 30"):
        model.encoder(torch.randn(1, 8, 61))
    with pytest.raises(AssertionError, match="13 tokens exceed n_text_ctx 12"):
        model.decoder(torch.zeros(1, 13, dtype=torch.long), torch.randn(1, 30, 16))
