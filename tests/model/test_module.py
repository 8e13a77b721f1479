from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch import Callback

from model.augment import Augment
from model.batch import Batch
from model.checkpoint import KEY, Card, load, network_weights
from model.corpus import Corpus
from model.datamodule import SottoData
from model.decoding.options import DecodeOptions
from model.estimate import Machine, describe, trace_step
from model.evaluation import Scores as Scored
from model.evaluation import Utterance, evaluate, held_out_batches, to_table
from model.examples import Encoder, LoaderConfig
from model.loader import Slice, TrainingBatches, shares
from model.mixture import LossWeights, Temperature
from model.module import Losses as StepLosses
from model.module import Optimisation, SottoModule
from model.net import ModelDimensions, Whisper, num_parameters
from model.tasks.base import TaskOptions
from model.trainer import TrainerConfig, make_trainer
from model.vocabulary import FromCorpus, OpenAI, Vocabulary
from pipeline.errors import DataError, UserError
from tests.model.tiny_shards import windows, write_shards

OPTIMISATION = Optimisation(
    learning_rate=1e-3,
    warmup_steps=2,
    max_steps=6,
    beta1=0.9,
    beta2=0.98,
    eps=1e-6,
    weight_decay=0.1,
    clip_norm=1.0,
    alignment_weight=1.0,
    flat_start_steps=3,
)
LOADER = LoaderConfig(
    batch_size=4,
    pool_batches=2,
    num_workers=0,
    seed=0,
    audio="speech",
    augment=Augment(speed=0.1, freq_masks=1, max_freq_mask=20),
    tasks=TaskOptions(max_tokens=60),
)
TRAINER = TrainerConfig(
    accelerator="cpu",
    devices=1,
    num_nodes=1,
    strategy="auto",
    precision="32-true",
    accumulate=1,
    log_every=2,
    val_every=3,
    checkpoint_every=3,
)
MIXTURE = Temperature(alpha=0.0, pooled={"detect_language": 0.2})
WEIGHTS = LossWeights(
    language={"en": 1.0, "sw": 3.0, "und": 1.0},
    task={"transcribe": 1.0, "translate": 1.5, "detect_language": 2.0, "no_speech": 1.0},
)


@pytest.fixture(scope="module")
def shards_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows())


def card(shards_uri: str = "none") -> Card:
    ranks = b"".join(b"%s %d\n" % (_base64(byte), byte) for byte in range(256))
    vocabulary = Vocabulary(ranks=ranks, num_languages=100)
    dims = ModelDimensions(
        n_mels=80,
        n_audio_ctx=75,
        n_audio_state=32,
        n_audio_head=1,
        n_audio_layer=1,
        n_vocab=vocabulary.tokenizer().n_vocab,
        n_text_ctx=60,
        n_text_state=32,
        n_text_head=1,
        n_text_layer=1,
    )
    return Card(dims=dims, vocabulary=vocabulary, shards_uri=shards_uri, shards_fingerprint="abc", audio="speech")


def _base64(byte: int) -> bytes:
    return base64.b64encode(bytes([byte]))


def module_of(shards_uri: str = "none", optimisation: Optimisation = OPTIMISATION) -> SottoModule:
    pl.seed_everything(0, verbose=False)
    return SottoModule(card(shards_uri), optimisation, log_every=2)


def encoder() -> Encoder:
    return Encoder(tokenizer=card().vocabulary.tokenizer(), n_mels=80, max_ms=1500, loss_weights=WEIGHTS)


def batch_of(shards_uri: str, index: int = 0, part: Slice | None = None, config: LoaderConfig = LOADER) -> Batch:
    corpus = Corpus(shards_uri, "train")
    weights = shares(MIXTURE, corpus, config, OPTIMISATION.max_steps)
    return TrainingBatches(corpus, weights, config, encoder(), part or Slice())[index]


class Losses(Callback):
    """Keep what was logged."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.logged: dict[str, float] = {}

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.steps.append(float(outputs["loss"]))
        self.logged |= {name: float(value) for name, value in trainer.callback_metrics.items()}


def fit(
    run_dir: Path,
    shards_uri: str,
    *,
    stop_at: int | None = None,
    resume: str | None = None,
    config: LoaderConfig = LOADER,
    accumulate: int = 1,
) -> tuple[SottoModule, Losses, str]:
    """Train as jobs/train.py does, but perhaps stop before the schedule's end."""
    module, losses = module_of(shards_uri), Losses()
    settings = replace(TRAINER, accumulate=accumulate)
    trainer = make_trainer(settings, OPTIMISATION, str(run_dir), False, [losses])
    data = SottoData(shards_uri, MIXTURE, config, encoder(), OPTIMISATION.max_steps)
    if stop_at is not None:
        trainer.callbacks.append(StopAt(stop_at))  # pyright: ignore[reportAttributeAccessIssue]
    trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    return module, losses, f"{run_dir}/checkpoints/last.ckpt"


class StopAt(Callback):
    """End early, as a kill right after a checkpoint would."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.global_step >= self._step


def test_the_step_loss_is_weighted_per_weighted_token(shards_uri: str) -> None:
    module = module_of(optimisation=replace(OPTIMISATION, alignment_weight=0.0)).eval()
    batch = batch_of(shards_uri)
    losses = module._losses(batch)  # pyright: ignore[reportPrivateUsage]
    expected = (batch.weights_B * losses.nll_B).sum() / (batch.weights_B * losses.tokens_B).sum()
    assert len(set(batch.weights_B.tolist())) > 1
    torch.testing.assert_close(module.training_loss(batch), expected)
    scaled = replace(batch, weights_B=batch.weights_B * 7)
    torch.testing.assert_close(module.training_loss(scaled), expected)  # proportions, not the learning rate


def test_only_masked_in_tokens_count(shards_uri: str) -> None:
    module, batch = module_of().eval(), batch_of(shards_uri)
    losses = module._losses(batch)  # pyright: ignore[reportPrivateUsage]
    assert losses.tokens_B.tolist() == batch.loss_mask_BL.sum(dim=1).tolist()
    nothing = replace(batch, loss_mask_BL=torch.zeros_like(batch.loss_mask_BL))
    assert module._losses(nothing).nll_B.tolist() == [0.0] * 4  # pyright: ignore[reportPrivateUsage]


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
    through, all_losses, _ = fit(tmp_path / "through", shards_uri)
    _, first_losses, checkpoint = fit(tmp_path / "cut", shards_uri, stop_at=3)
    resumed, last_losses, _ = fit(tmp_path / "cut", shards_uri, resume=checkpoint)
    assert [len(losses.steps) for losses in (all_losses, first_losses, last_losses)] == [6, 3, 3]
    assert first_losses.steps + last_losses.steps == pytest.approx(all_losses.steps, rel=1e-5)
    for name, weight in through.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], weight, msg=name)


def test_accumulation_covers_the_same_batches(tmp_path: Path, shards_uri: str) -> None:
    _, losses, checkpoint = fit(tmp_path, shards_uri, accumulate=2)
    assert len(losses.steps) == 12
    assert torch.load(checkpoint, weights_only=True)["global_step"] == 6


def test_losses_are_logged_by_task_and_language(tmp_path: Path, shards_uri: str) -> None:
    _, losses, _ = fit(tmp_path, shards_uri)
    assert {"train/all", "held_out/all", "held_out/translate-sw", "held_out/no_speech-und"} <= set(losses.logged)
    assert 0 <= losses.logged["padding"] < 1 and losses.logged["audio_s_per_s"] > 0


def test_a_checkpoint_stands_alone(tmp_path: Path, shards_uri: str) -> None:
    module, _, checkpoint = fit(tmp_path, shards_uri)
    loaded = load(checkpoint)
    assert loaded.card == module.card and loaded.step == 6
    assert loaded.tokenizer.fingerprint == module.card.vocabulary.tokenizer().fingerprint
    for name, weight in module.net.state_dict().items():
        torch.testing.assert_close(loaded.net.state_dict()[name], weight)
    Whisper(module.card.dims).load_state_dict(network_weights(module.state_dict()))  # OpenAI's keys and no others


def test_another_order_or_another_model_is_not_resumed(tmp_path: Path, shards_uri: str) -> None:
    _, _, checkpoint = fit(tmp_path, shards_uri, stop_at=3)
    with pytest.raises(UserError, match=r"another order: \['seed'\] changed"):
        fit(tmp_path, shards_uri, resume=checkpoint, config=replace(LOADER, seed=1))
    module, content = module_of(shards_uri), torch.load(checkpoint, weights_only=True)
    content[KEY]["audio"] = "silence"
    with pytest.raises(UserError, match="another audio; expected the same"):
        module.on_load_checkpoint(content)


def test_what_is_no_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; expected a .ckpt"):
        load(str(tmp_path / "none.ckpt"))
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    with pytest.raises(UserError, match="has no 'sotto' card"):
        load(str(tmp_path / "foreign.ckpt"))


def test_a_loss_that_is_no_number_stops_the_run(
    tmp_path: Path, shards_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: SottoModule, batch: Batch) -> StepLosses:
        rows = torch.full((len(batch.tasks),), torch.nan, requires_grad=True)
        zero = torch.zeros(())
        return StepLosses(nll_B=rows, tokens_B=batch.loss_mask_BL.sum(dim=1), alignment=zero, guide=zero)

    monkeypatch.setattr(SottoModule, "_losses", broken)
    with pytest.raises(DataError, match="training loss is nan at step"):
        fit(tmp_path, shards_uri)


def test_scores_are_listed_by_task_and_language_and_over_languages(tmp_path: Path, shards_uri: str) -> None:
    _, _, checkpoint = fit(tmp_path, shards_uri)
    loaded = load(checkpoint)
    batches = held_out_batches(loaded, Corpus(shards_uri, "validation"), 4)
    scores = evaluate(loaded, batches, torch.device("cpu"), DecodeOptions())
    assert len(scores.utterances) == 30
    rows = to_table(scores, checkpoint, "validation").to_pylist()
    keys = {(row["task"], row["lang"], row["metric"]) for row in rows}
    assert {("transcribe", "sw", "wer"), ("translate", "all", "cer"), ("no_speech", "und", "accuracy")} <= keys
    assert {("all", "all", "loss"), ("detect_language", "en", "loss")} <= keys
    assert {row["num_utterances"] for row in rows if row["task"] == "transcribe" and row["lang"] == "sw"} == {5}


def test_known_answers_give_known_scores() -> None:
    said = Utterance(task="transcribe", lang="en", reference="One two.", hypothesis="one too")
    language = Utterance(task="detect_language", lang="sw", reference="sw", hypothesis="sw")
    table = to_table(Scored(utterances=(said, language), losses={"all": 2.0}), "a.ckpt", "test").to_pylist()
    values = {(row["task"], row["lang"], row["metric"]): row["value"] for row in table}
    assert values["transcribe", "en", "wer"] == 0.5
    assert values["detect_language", "all", "accuracy"] == 1.0
    assert values["all", "all", "loss"] == 2.0


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
