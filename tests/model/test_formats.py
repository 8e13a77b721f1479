"""File formats: the same bits come back, and other libraries compute the same with what we write."""

from __future__ import annotations

import builtins
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2 as ctranslate2_library
import numpy as np
import pytest
import torch
import transformers
import yaml
from safetensors.torch import load_file, save_file

from model.bundle import Bundle, openai_vocabulary
from model.checkpoint import load
from model.decoding.batch import decode
from model.decoding.engine import Engine
from model.decoding.language import detect_language
from model.decoding.options import DecodeOptions, Window
from model.formats import ctranslate2, ggml, huggingface, openai
from model.mel import log_mel, mel_filters
from model.net import ModelDimensions, Whisper
from model.tokenizer import Tokenizer, train_bpe
from model.vocabulary import Vocabulary
from pipeline.errors import DataError, UserError
from tests.model.golden import openai_decoding
from tests.model.sines import DIMS, PLACES, mel_of, tokens_of, weights_of

GOLDEN = json.loads((Path(__file__).parent / "golden" / "openai_network.json").read_bytes())
SMALL = ModelDimensions(
    n_mels=80, n_audio_ctx=1500, n_audio_state=16, n_audio_head=2, n_audio_layer=2,
    n_vocab=51865, n_text_ctx=32, n_text_state=16, n_text_head=4, n_text_layer=3,
)  # fmt: skip
TURBO = replace(SMALL, n_mels=128, n_vocab=51866, n_audio_layer=4, n_text_layer=1)
TEXTS = ["ሰላም ለዓለም ሁሉ"] * 9 + ["habari ya asubuhi", "the cat's mat, 1999"] * 5


def bundle_of(dims: ModelDimensions, vocabulary: Vocabulary | None = None) -> Bundle:
    torch.manual_seed(0)
    weights = Whisper(dims).state_dict()
    noisy = {name: weight + 0.1 * torch.randn_like(weight) for name, weight in weights.items()}
    return Bundle(dims=dims, weights=noisy, vocabulary=vocabulary or openai_vocabulary(dims.n_vocab - 51_766))


@pytest.fixture(scope="module")
def small() -> Bundle:
    return bundle_of(SMALL)


@pytest.fixture(scope="module")
def own() -> Bundle:
    """Return a model with a vocabulary learnt from texts, and windows of 8 s."""
    vocabulary = Vocabulary(ranks=train_bpe([f" {text}" for text in TEXTS], 300), num_languages=100)
    dims = replace(SMALL, n_audio_ctx=400, n_vocab=vocabulary.tokenizer().n_vocab)
    return replace(bundle_of(dims, vocabulary), pads_windows=False)


@pytest.fixture(scope="module")
def folder(small: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("huggingface")
    huggingface.write(replace(small, alignment_heads=((1, 0), (2, 3))), place)
    return place


@pytest.fixture(scope="module")
def own_folder(own: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("own")
    huggingface.write(own, place)
    return place


def same(one: Bundle, other: Bundle) -> bool:
    alike = all(getattr(one, name) == getattr(other, name) for name in ("dims", "vocabulary", "pads_windows"))
    return alike and all(torch.equal(weight, other.weights[name]) for name, weight in one.weights.items())


@pytest.mark.parametrize("name", list(DIMS))
def test_logits_are_those_of_openai_whisper(name: str) -> None:
    dims = DIMS[name]
    with torch.device("meta"):
        model = Whisper(dims)
    sinusoids = {"encoder.positional_embedding": Whisper(replace(dims, n_vocab=8)).encoder.positional_embedding}
    weights = weights_of({**model.state_dict(), **sinusoids})
    model.load_state_dict(weights, assign=True)
    with torch.no_grad():
        logits = model.eval()(mel_of(dims), tokens_of(dims))
    assert [float(logits[place]) for place in PLACES] == pytest.approx(GOLDEN["logits"][name], abs=1e-5)


@pytest.mark.parametrize("number", [99, 100])
def test_every_language_has_the_token_of_openai_whisper(number: int) -> None:
    tokenizer = Tokenizer.openai(number)
    assert {code: tokenizer.language_id(code) for code in tokenizer.codes} == GOLDEN["languages"][str(number)]


@pytest.mark.parametrize("which", ["small", "own"])
@pytest.mark.parametrize("name", ["openai", "huggingface"])
def test_what_is_written_is_read_back_to_the_bit(
    which: str, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bundle: Bundle = request.getfixturevalue(which)
    path = tmp_path / ("model.pt" if name == "openai" else "folder")
    write: Callable[..., Any] = openai.write if name == "openai" else huggingface.write
    files = write(bundle, path)
    loaded = load(str(path))
    assert same(loaded.bundle(), bundle)
    assert loaded.tokenizer.fingerprint == bundle.vocabulary.tokenizer().fingerprint
    assert all(file.exists() for file in files)


def test_a_model_of_others_says_nothing_of_padding_and_wants_its_windows_padded(small: Bundle, tmp_path: Path) -> None:
    openai.write(small, tmp_path / "model.pt")
    huggingface.write(small, tmp_path / "folder")
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    torch.save({name: content[name] for name in ("dims", "model_state_dict")}, tmp_path / "model.pt")
    (tmp_path / "folder" / huggingface.PREPROCESSOR).unlink()
    assert load(str(tmp_path / "model.pt")).pads_windows and load(str(tmp_path / "folder")).pads_windows


@pytest.mark.slow
def test_openai_whisper_loads_an_exported_file_and_says_the_same(small: Bundle, tmp_path: Path) -> None:
    whisper: Any = pytest.importorskip("whisper", reason="openai-whisper is not installed")
    openai.write(small, tmp_path / "model.pt")
    theirs = whisper.load_model(str(tmp_path / "model.pt"), device="cpu")
    mel, tokens = torch.randn(1, 80, 2 * small.dims.n_audio_ctx), torch.tensor([[50258, 50259, 50359, 50363, 400]])
    with torch.no_grad():
        assert torch.equal(theirs(mel, tokens), small.network()(mel, tokens))
    asked = whisper.DecodingOptions(language="en", sample_len=8, fp16=False, without_timestamps=True)
    said = whisper.decode(theirs, mel, asked)[0]
    window = Window(mel_FT=mel[0], lang="en")
    (answer,) = decode(Engine(small.network()), Tokenizer.openai(), [window], DecodeOptions(max_tokens=8))
    assert list(answer.tokens) == said.tokens


def test_half_precision_is_read_into_float32(small: Bundle, tmp_path: Path) -> None:
    openai.write(small.to(torch.float16), tmp_path / "model.pt")
    weight = load(str(tmp_path / "model.pt")).net.encoder.conv1.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, small.weights["encoder.conv1.weight"].half().float())


def test_alignment_heads_travel_with_a_huggingface_folder(folder: Path) -> None:
    assert load(str(folder)).alignment_heads == ((1, 0), (2, 3))


def test_sharded_safetensors_are_read(small: Bundle, folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    for number, part in enumerate((names[:10], names[10:])):
        save_file({name: weights[name] for name in part}, tmp_path / f"{number}.safetensors")
    placed = {name: f"{int(place >= 10)}.safetensors" for place, name in enumerate(names)}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    assert same(load(str(tmp_path)).bundle(), small)


def test_transformers_computes_the_same_logits(small: Bundle, folder: Path, tmp_path: Path) -> None:
    turbo = bundle_of(TURBO)
    huggingface.write(turbo, tmp_path)
    for bundle, place in ((small, folder), (turbo, tmp_path)):
        theirs = transformers.WhisperForConditionalGeneration.from_pretrained(place).eval()
        mel, tokens = torch.randn(2, bundle.dims.n_mels, 3000), torch.randint(bundle.dims.n_vocab, (2, 7))
        with torch.no_grad():
            expected = theirs(input_features=mel, decoder_input_ids=tokens).logits
            torch.testing.assert_close(bundle.network()(mel, tokens), expected, atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["tiny", "base", "small", "medium", "turbo", "large-v3"])
def test_every_size_computes_what_transformers_computes(size: str, tmp_path: Path) -> None:
    sizes = yaml.safe_load((Path(__file__).parents[2] / f"conf/size/{size}.yaml").read_text())
    sizes = {name: value for name, value in sizes.items() if not name.startswith("_")}
    dims = ModelDimensions(n_vocab=51_866 if sizes["n_mels"] == 128 else 51_865, **sizes)
    bundle = bundle_of(dims)
    mel, tokens = torch.randn(1, dims.n_mels, 3000), torch.randint(dims.n_vocab, (1, 8))
    huggingface.write(bundle, tmp_path)
    with torch.no_grad():
        logits = bundle.network()(mel, tokens)
        del bundle
        theirs = transformers.WhisperForConditionalGeneration.from_pretrained(tmp_path).eval()
        expected = theirs(input_features=mel, decoder_input_ids=tokens).logits
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_transformers_reads_the_generation_config(folder: Path) -> None:
    config = transformers.GenerationConfig.from_pretrained(folder)
    assert (config.no_timestamps_token_id, config.decoder_start_token_id, config.eos_token_id) == (50363, 50258, 50257)
    assert (config.lang_to_id["<|am|>"], config.task_to_id) == (50334, {"transcribe": 50359, "translate": 50358})
    assert config.begin_suppress_tokens == [220, 50257]
    assert config.suppress_tokens[:3] == [1, 2, 7]
    assert config.suppress_tokens[-6:] == [50258, 50358, 50359, 50360, 50361, 50362]
    assert config.alignment_heads == [[1, 0], [2, 3]]


@pytest.mark.parametrize("which", ["folder", "own_folder"])
def test_transformers_tokenizes_as_we_do(which: str, request: pytest.FixtureRequest) -> None:
    place: Path = request.getfixturevalue(which)
    ours, theirs = load(str(place)).tokenizer, transformers.AutoTokenizer.from_pretrained(place)
    assert isinstance(theirs, transformers.WhisperTokenizer)
    for text in [" ሰላም ለዓለም", " the cat's mat, 2024\n\n  and naïve 🙂", "日本語", " <|en|>x".replace("<|", "< |")]:
        assert theirs(text, add_special_tokens=False).input_ids == ours.encode(text)
        assert theirs.decode(ours.encode(text)) == text
    theirs.set_prefix_tokens(language="amharic", task="translate", predict_timestamps=False)
    assert theirs.prefix_tokens == ours.sot_sequence("am", "translate")
    assert len(theirs) == ours.n_vocab
    assert theirs.all_special_ids[-1] == ours.no_timestamps
    assert theirs.convert_tokens_to_ids(list(ours.special_ids)) == list(ours.special_ids.values())
    assert theirs.decode([ours.timestamp(440), *ours.encode(" a")], decode_with_timestamps=True) == "<|0.44|> a"


def test_the_extractor_of_transformers_gives_our_features(folder: Path) -> None:
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(folder)
    audio = torch.randn(480_000) * 0.1
    theirs = extractor(audio.numpy(), sampling_rate=16_000, return_tensors="pt").input_features
    torch.testing.assert_close(log_mel(audio[None], 80), theirs, atol=1e-4, rtol=0)


def test_the_extractor_knows_windows_shorter_than_30_s(own_folder: Path) -> None:
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(own_folder)
    assert (extractor.chunk_length, extractor.n_samples, extractor.nb_max_frames) == (8, 128_000, 800)


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path]:
    """Return a model that says varied tokens, and its Hugging Face folder; it may say what transformers may."""
    dims = ModelDimensions(**openai_decoding.DIMS)
    net = Whisper(dims)
    openai_decoding.fill(net)
    bundle = Bundle(dims=dims, weights=net.state_dict(), vocabulary=openai_vocabulary(99))
    place = tmp_path_factory.mktemp("speaking")
    huggingface.write(bundle, place)
    return bundle, place


def said_by_us(bundle: Bundle, num_tokens: int, beam_size: int = 1) -> list[list[int]]:
    options = DecodeOptions(max_tokens=num_tokens, beam_size=beam_size)
    windows = [Window(mel_FT=mel_FT, lang="en") for mel_FT in openai_decoding.windows()]
    answers = decode(Engine(bundle.network()), bundle.vocabulary.tokenizer(), windows, options)
    return [list(answer.tokens) for answer in answers]


def test_transformers_says_the_same_tokens(speaking: tuple[Bundle, Path]) -> None:
    bundle, place = speaking
    theirs = transformers.WhisperForConditionalGeneration.from_pretrained(place).eval()
    theirs.generation_config.suppress_tokens += list(bundle.vocabulary.tokenizer().all_language_ids)  # as ours does
    said = theirs.generate(
        input_features=openai_decoding.windows(), language="en", task="transcribe", max_new_tokens=24, num_beams=1
    )
    found = [[token for token in row if token < 50257] for row in said.tolist()]
    assert found == said_by_us(bundle, 24)


def test_ctranslate2_says_the_same_tokens_and_hears_the_same_language(
    speaking: tuple[Bundle, Path], tmp_path: Path
) -> None:
    bundle, _ = speaking
    ctranslate2.write(bundle, tmp_path / "ct2")
    theirs = ctranslate2_library.models.Whisper(str(tmp_path / "ct2"), device="cpu")
    tokenizer, mels = bundle.vocabulary.tokenizer(), openai_decoding.windows()
    features = ctranslate2_library.StorageView.from_array(mels.numpy())
    prompt, rest = tokenizer.sot_sequence("en", "transcribe"), range(tokenizer.eot + 1, tokenizer.n_vocab)
    for beam_size in (1, 4):
        said = theirs.generate(
            features,
            [prompt] * openai_decoding.NUM_WINDOWS,
            beam_size=beam_size,
            max_length=2 * 24,  # of which it takes half for the text
            suppress_tokens=[-1, *rest],
        )
        assert [row.sequences_ids[0] for row in said] == said_by_us(bundle, 24, beam_size)
    for heard, start in zip(
        theirs.detect_language(features), detect_language(Engine(bundle.network()), tokenizer, list(mels)), strict=True
    ):
        assert {code.strip("<|>"): prob for code, prob in heard} == pytest.approx(start.lang_probs, abs=1e-5)


def test_without_ctranslate2_the_export_says_what_to_install(
    small: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def fail(name: str, *rest: Any) -> Any:
        if name.startswith("ctranslate2"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(UserError, match="export to ctranslate2 needs its converter; .* run pip install ctranslate2"):
        ctranslate2.write(small, tmp_path)


def read_ggml(path: Path) -> tuple[tuple[int, ...], np.ndarray, list[bytes], dict[str, tuple[int, np.ndarray]]]:
    """Read the layout as whisper.cpp does: header, filters, tokens, weights with their type."""
    data, place = path.read_bytes(), 0

    def take(layout: str) -> tuple[int, ...]:
        nonlocal place
        found = struct.unpack_from(f"<{layout}", data, place)
        place += struct.calcsize(f"<{layout}")
        return found

    def chunk(size: int) -> bytes:
        nonlocal place
        place += size
        return data[place - size : place]

    header = take("12i")
    num_mels, num_bins = take("2i")
    filters = np.frombuffer(chunk(4 * num_mels * num_bins), "<f4").reshape(num_mels, num_bins)
    tokens = [chunk(take("i")[0]) for _ in range(take("i")[0])]
    weights: dict[str, tuple[int, np.ndarray]] = {}
    while place < len(data):
        num_dims, name_bytes, ftype = take("3i")
        shape = take(f"{num_dims}i")[::-1]
        name = chunk(name_bytes).decode()
        kind = "<f2" if ftype else "<f4"
        weights[name] = ftype, np.frombuffer(chunk(int(np.prod(shape)) * (2 if ftype else 4)), kind).reshape(shape)
    return header, filters, tokens, weights


def test_ggml_files_hold_the_model_in_whisper_cpps_layout(small: Bundle, tmp_path: Path) -> None:
    ggml.write(small, tmp_path / "model.bin")
    header, filters, tokens, weights = read_ggml(tmp_path / "model.bin")
    assert header == (0x67676D6C, 51865, 1500, 16, 2, 2, 32, 16, 4, 3, 80, 0)
    assert np.array_equal(filters, mel_filters(80, torch.device("cpu")).numpy())
    assert (len(tokens), tokens[0], tokens[-1]) == (50257, b"!", b"")
    assert list(weights) == list(small.weights)
    for name, (ftype, array) in weights.items():
        assert ftype == 0
        assert np.array_equal(array.reshape(small.weights[name].shape), small.weights[name].numpy())
    assert weights["encoder.conv2.bias"][1].shape == (16, 1)


def test_ggml_keeps_small_tensors_in_float32(small: Bundle, tmp_path: Path) -> None:
    ggml.write(small.to(torch.float16), tmp_path / "model.bin")
    header, _, _, weights = read_ggml(tmp_path / "model.bin")
    assert header[-1] == 1
    full = {name for name, (ftype, _) in weights.items() if ftype == 0}
    assert full == {name for name, weight in small.weights.items() if weight.ndim < 2 or "positional" in name}


def test_ggml_refuses_a_vocabulary_whisper_cpp_does_not_know(own: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vocabulary of \d+ tokens cannot be written as ggml; .* huggingface instead"):
        ggml.write(own, tmp_path / "model.bin")


def test_files_that_lack_something_say_what(own: Bundle, folder: Path, tmp_path: Path) -> None:
    _, ranks = openai.write(own, tmp_path / "model.pt")
    ranks.unlink()
    with pytest.raises(
        UserError, match=r"has \d+ tokens, which is not OpenAI's multilingual vocabulary; .*model.tikto"
    ):
        load(str(tmp_path / "model.pt"))
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(UserError, match="has no model.safetensors; expected safetensors, since other files may run"):
        load(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="holds model_type 'bert'; expected 'whisper'; choose another folder"):
        load(str(tmp_path))
    huggingface.write(own, tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"has \d+ tokens and no tokenizer.json; expected it, since they are not Op"):
        load(str(tmp_path))


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="none.ckpt does not exist; expected a .ckpt of jobs/train.py, OpenAI's .pt, or"
    ):
        load(str(tmp_path / "none.ckpt"))
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(UserError, match="text.ckpt is no file of weights; expected a .ckpt"):
        load(str(tmp_path / "text.ckpt"))
    with pytest.raises(UserError, match="is no file of weights; expected a .ckpt"):
        load(str(tmp_path))
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="other.ckpt has no 'sotto' card; expected a .ckpt"):
        load(str(tmp_path / "other.ckpt"))


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"dims": Path("x"), "model_state_dict": {}}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match="evil.pt is no file of weights"):
        load(str(tmp_path / "evil.pt"))


def test_weights_of_other_sizes_are_refused(small: Bundle) -> None:
    with pytest.raises(DataError, match="weights do not fit their sizes: (.|\n)*; expected ModelDimensions"):
        replace(small, dims=replace(small.dims, n_text_layer=4)).network()
