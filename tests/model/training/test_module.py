from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.checkpoint import KEY, load, network_weights
from model.net import Whisper, num_parameters
from model.training.estimate import Machine, describe, trace_step
from model.vocabulary import FromCorpus, OpenAI
from pipeline.errors import UserError
from tests.model.tiny_shards import windows, write_shards
from tests.model.tiny_training import LOADER, OPTIMISATION, TRAINER, Tiny, batch_of, card, module_of


@pytest.fixture(scope="module")
def shards_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows())


def test_the_step_loss_is_weighted_per_weighted_token(shards_uri: str) -> None:
    module = module_of(optimisation=replace(OPTIMISATION, alignment_weight=0.0)).eval()
    batch = batch_of(shards_uri)
    losses = module._losses(module.net, batch)  # pyright: ignore[reportPrivateUsage]
    expected = (batch.weights_B * losses.nll_B).sum() / (batch.weights_B * losses.tokens_B).sum()
    assert len(set(batch.weights_B.tolist())) > 1
    torch.testing.assert_close(module.training_loss(batch), expected)
    scaled = replace(batch, weights_B=batch.weights_B * 7)
    torch.testing.assert_close(module.training_loss(scaled), expected)  # proportions, not the learning rate


def test_only_masked_in_tokens_count(shards_uri: str) -> None:
    module, batch = module_of().eval(), batch_of(shards_uri)
    losses = module._losses(module.net, batch)  # pyright: ignore[reportPrivateUsage]
    assert losses.tokens_B.tolist() == batch.loss_mask_BL.sum(dim=1).tolist()
    nothing = replace(batch, loss_mask_BL=torch.zeros_like(batch.loss_mask_BL))
    assert module._losses(module.net, nothing).nll_B.tolist() == [0.0] * 4  # pyright: ignore[reportPrivateUsage]


def test_masks_blank_their_bins_and_frames_only(shards_uri: str) -> None:
    module, batch = module_of(), batch_of(shards_uri)
    ranges = torch.tensor([[[10, 20]]] * 4)
    plain, frames_B = module.features(replace(batch, freq_masks_BM2=ranges[:, :0]))
    masked, _ = module.features(replace(batch, freq_masks_BM2=ranges, time_masks_BM2=ranges // 2))
    assert (masked[:, 10:20] == 0).all() and (masked[:, :, 5:10] == 0).all()
    torch.testing.assert_close(masked[:, 20:, 10:], plain[:, 20:, 10:])
    assert frames_B.tolist() == (batch.num_samples_B // 160).tolist()


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    plan = replace(OPTIMISATION, warmup_steps=4, max_steps=12)
    assert [plan.factor(step) for step in (0, 3, 4, 8, 12, 20)] == [0.25, 1.0, 1.0, 0.5, 0.0, 0.0]
    assert [plan.flat_share(step) for step in (0, 3, 9)] == [1.0, 0.0, 0.0]


def test_only_matrices_decay() -> None:
    groups = module_of().configure_optimizers()["optimizer"].param_groups  # type: ignore[index,call-overload]
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert {weight.ndim > 1 for weight in groups[0]["params"]} == {True}
    assert {weight.ndim > 1 for weight in groups[1]["params"]} == {False}


def test_resuming_trains_on_the_next_unseen_batch_and_ends_with_the_same_weights(
    tmp_path: Path, shards_uri: str
) -> None:
    plan = replace(OPTIMISATION, stochastic_depth=0.3, ema_decay=0.9)  # random numbers and an average, too
    through, all_losses = Tiny(run_dir=tmp_path / "through", shards_uri=shards_uri, optimisation=plan).fit()
    cut = Tiny(run_dir=tmp_path / "cut", shards_uri=shards_uri, optimisation=plan)
    _, first_losses = replace(cut, stop_at=3).fit()
    resumed, last_losses = cut.fit()
    assert [len(losses.steps) for losses in (all_losses, first_losses, last_losses)] == [6, 3, 3]
    assert first_losses.steps + last_losses.steps == all_losses.steps
    for name, weight in through.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weight), name


def test_accumulation_learns_what_one_batch_would(tmp_path: Path, shards_uri: str) -> None:
    plan = replace(OPTIMISATION, alignment_weight=0.0)
    whole = Tiny(run_dir=tmp_path / "whole", shards_uri=shards_uri, optimisation=plan)
    halves = replace(whole, run_dir=tmp_path / "halves", trainer=replace(TRAINER, accumulate=2))
    one, _ = whole.fit()
    parts, losses = halves.fit()
    assert len(losses.steps) == 12
    assert torch.load(halves.last, weights_only=True)["global_step"] == 6
    for name, weight in one.net.state_dict().items():
        torch.testing.assert_close(parts.net.state_dict()[name], weight, msg=name, rtol=1e-3, atol=3e-5)


def test_a_run_goes_on_with_another_number_of_accumulation_steps(tmp_path: Path, shards_uri: str) -> None:
    plan = replace(OPTIMISATION, alignment_weight=0.0)
    through, _ = Tiny(run_dir=tmp_path / "through", shards_uri=shards_uri, optimisation=plan).fit()
    run = Tiny(run_dir=tmp_path / "cut", shards_uri=shards_uri, optimisation=plan)
    replace(run, trainer=replace(TRAINER, accumulate=2), stop_at=2).fit()
    replace(run, trainer=replace(TRAINER, accumulate=4), stop_at=4).fit()
    resumed, losses = run.fit()
    assert len(losses.steps) == 2 and resumed.trainer.global_step == 6
    for name, weight in through.net.state_dict().items():
        torch.testing.assert_close(resumed.net.state_dict()[name], weight, msg=name, rtol=1e-3, atol=3e-5)


def test_losses_and_speed_are_logged_by_task_language_and_stream(tmp_path: Path, shards_uri: str) -> None:
    _, losses = Tiny(run_dir=tmp_path, shards_uri=shards_uri).fit()
    assert {"train/all", "held_out/all", "held_out/translate-sw", "held_out/no_speech-und"} <= set(losses.logged)
    assert {"epochs/transcribe-en", "mix/transcribe-en", "learning_rate", "grad_norm"} <= set(losses.logged)
    assert 0 <= losses.logged["speed/padding"] < 1 and losses.logged["speed/audio_hours_per_device_hour"] > 0
    assert sum(value for name, value in losses.logged.items() if name.startswith("mix/")) == pytest.approx(1.0)


def test_a_checkpoint_stands_alone(tmp_path: Path, shards_uri: str) -> None:
    run = Tiny(run_dir=tmp_path, shards_uri=shards_uri)
    module, _ = run.fit()
    loaded = load(run.last)
    assert loaded.card == module.card and loaded.step == 6
    assert loaded.tokenizer.fingerprint == module.card.vocabulary.tokenizer().fingerprint
    for name, weight in module.net.state_dict().items():
        torch.testing.assert_close(loaded.net.state_dict()[name], weight)
    Whisper(module.card.dims).load_state_dict(network_weights(module.state_dict()))  # OpenAI's keys and no others


def test_where_an_average_is_kept_it_is_what_is_loaded(tmp_path: Path, shards_uri: str) -> None:
    run = Tiny(run_dir=tmp_path, shards_uri=shards_uri, optimisation=replace(OPTIMISATION, ema_decay=0.5))
    module, _ = run.fit()
    assert module.ema is not None
    name = "decoder.blocks.0.mlp.0.weight"
    average, weight = module.ema.state_dict()[name], module.net.state_dict()[name]
    assert not torch.equal(average, weight) and (average - weight).abs().max() < 0.01
    assert torch.equal(load(run.last).net.state_dict()[name], average)


def test_another_order_plan_or_model_is_not_resumed(tmp_path: Path, shards_uri: str) -> None:
    run = Tiny(run_dir=tmp_path, shards_uri=shards_uri)
    replace(run, stop_at=3).fit()
    with pytest.raises(UserError, match=r"another order: \['seed'\] changed"):
        replace(run, loader=replace(LOADER, seed=1)).fit()
    with pytest.raises(UserError, match="another optimisation; expected the same"):
        replace(run, optimisation=replace(OPTIMISATION, learning_rate=1.0)).fit()
    module, content = module_of(shards_uri), torch.load(run.last, weights_only=True)
    content[KEY]["audio"] = "silence"
    with pytest.raises(UserError, match="another audio; expected the same"):
        module.on_load_checkpoint(content)


def test_what_is_no_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; expected a .ckpt"):
        load(str(tmp_path / "none.ckpt"))
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    with pytest.raises(UserError, match="has no 'sotto' card"):
        load(str(tmp_path / "foreign.ckpt"))


def test_the_estimate_counts_the_parameters_and_operations_of_a_real_step() -> None:
    step = trace_step(card(), OPTIMISATION, rows=2, text_tokens=20)
    assert step.parameters == num_parameters(module_of())
    assert dict(step.shapes)["mel"] == (2, 80, 150)
    matrices = 6 * 2 * 75 * 12 * 32 * 32  # forward and backward of the encoder's layer alone
    assert matrices < step.flops < 20 * matrices
    assert trace_step(card(), OPTIMISATION, rows=4, text_tokens=20).flops == pytest.approx(2 * step.flops)
    machine = Machine(name="toy", num_gpus=2, memory_gib=1.0, peak_tflops=1.0, utilisation=0.5, text_tokens=20)
    lines = describe(step, OPTIMISATION, global_batch=8, machine=machine)
    assert any(line.endswith("GiB (toy): fits") for line in lines)


def test_vocabularies_are_learnt_from_the_texts_or_openais() -> None:
    learnt = FromCorpus(size=260, num_languages=100).build(lambda: ["moja mbili", "moja tatu"])
    assert learnt.tokenizer().num_text_tokens == 260
    assert len(learnt.tokenizer().encode(" moja")) == 1
    assert OpenAI(num_languages=99).build(lambda: []).tokenizer().n_vocab == 51865
