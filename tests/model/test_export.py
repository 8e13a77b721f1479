"""Export: a folder with a model and a card that tells what manifests tell, no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.checkpoint import Card, Loaded, load
from model.export import ExportOptions, export
from model.model_card import model_card, read_training
from model.net import ModelDimensions, Whisper
from model.tokenizer import train_bpe
from model.vocabulary import Vocabulary
from pipeline import artifact, store, tables
from pipeline.artifact import Artifact
from pipeline.errors import UserError
from pipeline.schema import EVAL_RESULT, SHARD_PLAN


def loaded(shards_uri: str | None = None) -> Loaded:
    vocabulary = Vocabulary(ranks=train_bpe([], 256), num_languages=100)
    dims = ModelDimensions(
        n_mels=80, n_audio_ctx=400, n_audio_state=16, n_audio_head=2, n_audio_layer=1,
        n_vocab=vocabulary.tokenizer().n_vocab, n_text_ctx=32, n_text_state=16, n_text_head=2, n_text_layer=1,
    )  # fmt: skip
    card = Card(
        dims=dims, vocabulary=vocabulary, shards_uri=shards_uri, shards_fingerprint="0123456789abcdef", audio="speech"
    )
    return Loaded(net=Whisper(dims).eval(), tokenizer=vocabulary.tokenizer(), card=card, step=7)


def planned(root: Path, rows: Sequence[tuple[str, str, Sequence[str], str | None, int]]) -> str:
    """Publish a plan of (split, lang, tasks, licence, hours) and the index cut by it; returns the index's folder."""
    empty = dict.fromkeys(SHARD_PLAN.names, None)
    table = tables.from_rows(
        [
            empty
            | {"split": split, "lang": lang, "tasks": list(tasks), "license": licence, "source": "s"}
            | {"start_ms": 0, "end_ms": hours * 3_600_000}
            for split, lang, tasks, licence, hours in rows
        ],
        SHARD_PLAN,
    )
    plan = Artifact(root_uri=str(root), name="shard_plan", fingerprint="feed")
    artifact.publish_unit(plan, 0, {0: table}, ())
    artifact.publish_manifest(plan, {}, 1)
    index = Artifact(root_uri=str(root), name="shard_index", fingerprint="0123456789abcdef")
    artifact.publish_manifest(index, {"inputs": {"shard_plan": "feed"}}, 0)
    return index.uri


def card_of(one: Loaded, checkpoint: str, name: str) -> str:
    return model_card(one, one.card.dims, checkpoint, name)


PLAN = (
    ("train", "am", ("transcribe", "detect_language"), "CC-BY-4.0", 2),
    ("train", "sw", ("translate",), None, 1),
    ("test", "sw", ("transcribe",), "CC0-1.0", 9),
)


def test_the_card_sums_the_train_split_by_task_licence_and_source(tmp_path: Path) -> None:
    training = read_training(planned(tmp_path, PLAN))
    assert training is not None
    assert training.tasks == {("transcribe", "am"): 2.0, ("detect_language", "am"): 2.0, ("translate", "sw"): 1.0}
    assert training.licences == {"CC-BY-4.0": 2.0, "not stated": 1.0}
    assert training.sources == {"s": 3.0}


def test_the_card_tells_corpus_hours_licences_and_scores(tmp_path: Path) -> None:
    row = {"checkpoint": "c", "eval_set": "test", "source": "all", "lang": "am", "task": "transcribe"}
    row |= {"metric": "wer", "value": 0.25, "low": 0.2, "high": 0.3, "num_utterances": 3, "normaliser": "basic"}
    rows = [row | {"condition": condition} for condition in ("clean", "white 10 dB")]
    store.publish(str(tmp_path / "eval-test.parquet"), tables.to_parquet(tables.from_rows(rows, EVAL_RESULT)))
    text = card_of(loaded(planned(tmp_path, PLAN)), str(tmp_path / "last.ckpt"), "huggingface")
    assert "library_name: transformers\nlanguage: [am, sw]\n---" in text
    for line in (
        "| checkpoint | `last.ckpt`, step 7 |",
        "| audio | 80 mel bins, windows of up to 8 s |",
        "Corpus `0123456789abcdef`.",
        "| detect_language | am | 2.00 |",
        "| CC-BY-4.0 | 2.00 |\n| not stated | 1.00 |",
        "| test | transcribe | am | wer | 3 | basic | 0.250 (0.200 to 0.300) |",
    ):
        assert line in text
    assert "white" not in text and text.count("| test |") == 1
    assert str(tmp_path) not in text


def test_the_card_says_what_it_does_not_know(tmp_path: Path) -> None:
    foreign = card_of(loaded(), str(tmp_path / "x.pt"), "openai")
    assert "Unknown: the weights were loaded from another project's file." in foreign
    assert "Not evaluated." in foreign and "library_name" not in foreign
    gone = card_of(loaded(str(tmp_path / "shard_index/gone")), str(tmp_path / "x.ckpt"), "openai")
    assert "Its manifests were not at hand when this card was written." in gone
    index = planned(tmp_path, PLAN)
    (tmp_path / "shard_plan/feed/_MANIFEST.json").unlink()
    assert read_training(index) is None


def test_the_card_warns_of_a_model_that_heard_nothing(tmp_path: Path) -> None:
    one = loaded("a/b/c")
    deaf = replace(one, card=replace(one.card, audio="silence"))
    assert "**Trained on silence**" in card_of(deaf, str(tmp_path / "x.ckpt"), "openai")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("openai", {"model.pt", "model.tiktoken", "README.md"}),
        (
            "huggingface",
            {
                "config.json",
                "generation_config.json",
                "preprocessor_config.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "model.safetensors",
                "README.md",
            },
        ),
    ],
)
def test_an_export_is_a_folder_with_a_card(name: str, files: set[str], tmp_path: Path) -> None:
    made = export(loaded(), "x.ckpt", ExportOptions(format=name, dtype="float16"), str(tmp_path / "out"))
    assert {file.name for file in made} == {file.name for file in (tmp_path / "out").iterdir()} == files


def test_ctranslate2_quantizes(tmp_path: Path) -> None:
    options = ExportOptions(format="ctranslate2", quantization="int8")
    files = export(loaded(), "x.ckpt", options, str(tmp_path / "out"))
    assert {"model.bin", "tokenizer.json", "preprocessor_config.json", "README.md"} <= {file.name for file in files}
    num_bytes = sum(weight.numel() for weight in loaded().net.state_dict().values()) * 4
    assert (tmp_path / "out/model.bin").stat().st_size < num_bytes / 2


def test_options_that_cannot_work_are_refused() -> None:
    with pytest.raises(UserError, match=r"format 'hugging' does not exist; have .*; did you mean 'huggingface'\?"):
        ExportOptions(format="hugging")
    with pytest.raises(UserError, match="dtype 'float61' does not exist"):
        ExportOptions(format="ggml", dtype="float61")
    with pytest.raises(UserError, match="quantization 'int8' does not apply to openai; only ctranslate2 has it; leave"):
        ExportOptions(format="openai", quantization="int8")


def test_a_bundle_builds_the_same_network() -> None:
    one = loaded()
    bundle = one.bundle()
    assert not any(weight.requires_grad for weight in bundle.weights.values())
    assert torch.equal(bundle.network().encoder.conv1.weight, one.net.encoder.conv1.weight)


def test_the_card_of_a_pruned_model_claims_no_scores(tmp_path: Path) -> None:
    one = loaded()
    two = replace(one.card.dims, n_text_layer=2)
    deep = Loaded(net=Whisper(two), tokenizer=one.tokenizer, card=replace(one.card, dims=two), step=1)
    export(deep, "x.ckpt", ExportOptions(format="openai", decoder_layers=1), str(tmp_path))
    text = (tmp_path / "README.md").read_text()
    assert "Not evaluated: layers of the checkpoint were left out" in text
    assert "| decoder | 1 layers" in text
    assert load(str(tmp_path / "model.pt")).net.dims.n_text_layer == 1
