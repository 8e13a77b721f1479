"""A run may begin with another model's weights, train a part of them, and is exported as if it had trained all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.bundle import Bundle
from model.checkpoint import load
from model.formats import huggingface, openai
from model.training.start import Lora, Start
from model.vocabulary import FromCorpus
from pipeline.errors import UserError
from tests.model.tiny_shards import windows, write_shards
from tests.model.tiny_training import OPTIMISATION, TRAINER, Tiny, batch_of, card, module_of

PLAN = replace(OPTIMISATION, alignment_weight=0.0)
EMBEDDING = "decoder.token_embedding.weight"


@pytest.fixture(scope="module")
def shards_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("shards"), windows())


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, shards_uri: str) -> str:
    run = Tiny(run_dir=tmp_path_factory.mktemp("first"), shards_uri=shards_uri, optimisation=PLAN)
    run.fit()
    return run.last


def bundle(checkpoint: str) -> Bundle:
    return load(checkpoint).bundle()


@pytest.mark.parametrize("layout", ["ours", "openai", "huggingface"])
def test_weights_of_every_layout_are_begun_with(tmp_path: Path, ours: str, layout: str) -> None:
    path = ours
    if layout == "openai":
        path = str(openai.write(bundle(ours), tmp_path / "model.pt")[0])
    if layout == "huggingface":
        path = str(tmp_path / "folder")
        huggingface.write(bundle(ours), path)
    net = module_of(start=Start(checkpoint=path)).net
    for name, weight in load(ours).net.state_dict().items():
        assert torch.equal(net.state_dict()[name], weight), name


def test_frozen_parts_stay_as_they_are(tmp_path: Path, ours: str, shards_uri: str) -> None:
    start = Start(checkpoint=ours, freeze=("encoder.*", EMBEDDING))
    module, _ = Tiny(run_dir=tmp_path, shards_uri=shards_uri, optimisation=PLAN, start=start).fit()
    before = load(ours).net.state_dict()
    changed = {name for name, weight in module.net.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed and all(name.startswith("decoder.") and name != EMBEDDING for name in changed)


def test_adapters_train_alone_and_are_folded_in(tmp_path: Path, ours: str, shards_uri: str) -> None:
    start = Start(checkpoint=ours, lora=Lora(rank=2, alpha=4.0, targets=("*.query", "*.value")))
    run = Tiny(run_dir=tmp_path, shards_uri=shards_uri, optimisation=PLAN, start=start)
    module, _ = replace(run, stop_at=3).fit()
    module, _ = run.fit()  # and resumes
    trained = {name.rpartition(".")[2] for name, weight in module.named_parameters() if weight.requires_grad}
    assert trained == {"lora_down", "lora_up"}
    plain, before = load(run.last).net, load(ours).net.state_dict()
    changed = {name for name, weight in plain.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed and all(name.endswith(("query.weight", "value.weight")) for name in changed)
    batch, adapted = batch_of(shards_uri), module.net.eval()
    mel_BFT, frames_B = module.features(batch)
    torch.testing.assert_close(
        plain(mel_BFT, batch.inputs_BL, frames_B), adapted(mel_BFT, batch.inputs_BL, frames_B), rtol=1e-4, atol=1e-4
    )


def test_a_vocabulary_keeps_the_rows_it_shares_and_a_language_may_begin_as_another(ours: str) -> None:
    theirs = load(ours)
    vocabulary = FromCorpus(size=258, num_languages=100).build(lambda: ["moja mbili moja mbili"])
    mine = vocabulary.tokenizer()
    wide = replace(card(), vocabulary=vocabulary, dims=replace(card().dims, n_vocab=mine.n_vocab))
    net = module_of(wide=wide, start=Start(checkpoint=ours, languages_like={"gl": "pt"})).net
    rows, known = net.decoder.token_embedding.weight, theirs.net.decoder.token_embedding.weight
    pairs = [
        (mine.encode("q")[0], theirs.tokenizer.encode("q")[0]),
        (mine.timestamp(620), theirs.tokenizer.timestamp(620)),
        (mine.no_speech, theirs.tokenizer.no_speech),
        (mine.language_id("sw"), theirs.tokenizer.language_id("sw")),
        (mine.language_id("gl"), theirs.tokenizer.language_id("pt")),
    ]
    for row, source in pairs:
        assert torch.equal(rows[row], known[source])
    new = [token for token in range(mine.num_text_tokens) if len(mine.bytes_of(token)) > 1]
    assert len(new) == 2 and not any(torch.equal(rows[token], row) for token in new for row in known)


@pytest.mark.parametrize(
    ("start", "complaint"),
    [
        ({"checkpoint": None, "freeze": ("encoder.*",)}, "need weights to start from; expected start.checkpoint"),
        ({"freeze": ("encodr.*",)}, "start.freeze 'encodr.\\*' matches no parameter"),
        ({"freeze": ("*",)}, "leaves nothing to train"),
        ({"lora": Lora(rank=2, alpha=2.0, targets=("*.kvery",))}, "match no linear layer"),
    ],
)
def test_a_start_that_cannot_be_is_an_error(ours: str, start: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        module_of(start=Start(**{"checkpoint": ours, **start}))  # type: ignore[arg-type]


def test_another_size_is_an_error(ours: str) -> None:
    wide = replace(card(), dims=replace(card().dims, n_audio_layer=2))
    with pytest.raises(UserError, match=r"has other sizes, \{'n_audio_layer': 1\}; expected those of the run"):
        module_of(wide=wide, start=Start(checkpoint=ours))


@pytest.mark.parametrize(
    "change",
    [{"recompute": "cheap"}, {"recompute": "layers"}],
)
def test_recomputing_changes_memory_and_nothing_else(
    tmp_path: Path, ours: str, shards_uri: str, change: dict[str, str]
) -> None:
    plan = replace(PLAN, stochastic_depth=0.3)
    plain, _ = Tiny(run_dir=tmp_path / "plain", shards_uri=shards_uri, optimisation=plan).fit()
    spared = Tiny(run_dir=tmp_path / "spared", shards_uri=shards_uri, optimisation=replace(plan, **change))  # type: ignore[arg-type]
    other, _ = spared.fit()
    for name, weight in plain.net.state_dict().items():
        torch.testing.assert_close(other.net.state_dict()[name], weight, msg=name)


def test_bf16_trains(tmp_path: Path, shards_uri: str) -> None:
    trainer = replace(TRAINER, precision="bf16-mixed")
    _, losses = Tiny(run_dir=tmp_path, shards_uri=shards_uri, optimisation=PLAN, trainer=trainer).fit()
    assert losses.logged["train/all"] == losses.logged["train/all"] and losses.logged["skipped_steps"] == 0.0


@pytest.mark.slow
def test_compiled_layers_learn_the_same(tmp_path: Path, shards_uri: str) -> None:
    plain, _ = Tiny(run_dir=tmp_path / "plain", shards_uri=shards_uri, optimisation=PLAN).fit()
    run = Tiny(run_dir=tmp_path / "fast", shards_uri=shards_uri, optimisation=PLAN, compile=True)
    compiled, _ = run.fit()
    assert set(compiled.state_dict()) == set(plain.state_dict())
    for name, weight in plain.net.state_dict().items():
        torch.testing.assert_close(compiled.net.state_dict()[name], weight, msg=name, rtol=1e-3, atol=1e-4)
