"""The Hugging Face folder: config.json, generation_config.json, model.safetensors, tokenizer and preprocessor.

Written without the transformers library, from its documented names; its Whisper classes load the folder. A model that
does not want its windows padded says so in the preprocessor's file, under a name others pass by.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from model.alignment import MS_PER_POSITION
from model.bundle import OPENAI_LANGUAGES, Bundle, openai_vocabulary
from model.decoding.rules import non_speech_tokens
from model.formats import huggingface_tokenizer
from model.mel import HOP, N_FFT, SAMPLE_RATE
from model.net import ModelDimensions
from model.tokenizer import Tokenizer
from pipeline.errors import UserError

CONFIG, GENERATION, PREPROCESSOR = "config.json", "generation_config.json", "preprocessor_config.json"
PADS = "pads_windows"
WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"

# OpenAI's name of a part, and Hugging Face's; applied one after the other.
_RENAMES = (
    ("positional_embedding", "embed_positions.weight"),
    ("token_embedding", "embed_tokens"),
    ("encoder.ln_post", "encoder.layer_norm"),
    ("decoder.ln.", "decoder.layer_norm."),
    (".blocks.", ".layers."),
    (".cross_attn_ln.", ".encoder_attn_layer_norm."),
    (".cross_attn.", ".encoder_attn."),
    (".attn_ln.", ".self_attn_layer_norm."),
    (".attn.", ".self_attn."),
    (".query.", ".q_proj."),
    (".key.", ".k_proj."),
    (".value.", ".v_proj."),
    (".out.", ".out_proj."),
    (".mlp.0.", ".fc1."),
    (".mlp.2.", ".fc2."),
    (".mlp_ln.", ".final_layer_norm."),
)


def is_one(folder: str | Path) -> bool:
    """Tell whether a path is a folder with a model's config.json."""
    return (Path(folder) / CONFIG).is_file()


def read(folder: str | Path) -> Bundle:
    """Read a folder of ours or of the hub; UserError where it is no Whisper or has no safetensors."""
    place = Path(folder)
    config = json.loads((place / CONFIG).read_bytes())
    if config.get("model_type") != "whisper":
        raise UserError(
            f"folder {folder} holds model_type {config.get('model_type')!r}; expected 'whisper'; choose another folder"
        )
    dims = _dims(config)
    theirs = {name: weight for file in _weight_files(place) for name, weight in load_file(file).items()}
    weights = {_openai_name(name): weight for name, weight in theirs.items() if name != "proj_out.weight"}
    if dims.n_vocab in OPENAI_LANGUAGES:
        vocabulary = openai_vocabulary(OPENAI_LANGUAGES[dims.n_vocab])
    else:
        vocabulary = huggingface_tokenizer.read(place, dims.n_vocab)
    heads: list[tuple[int, int]] = _document(place, GENERATION).get("alignment_heads") or []
    return Bundle(
        dims=dims,
        weights=weights,
        vocabulary=vocabulary,
        alignment_heads=tuple((layer, head) for layer, head in heads),
        pads_windows=_document(place, PREPROCESSOR).get(PADS, True),
    )


def write(bundle: Bundle, folder: str | Path) -> list[Path]:
    """Write the folder and return its files."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    tokenizer = bundle.vocabulary.tokenizer()
    documents = {
        CONFIG: _config(bundle, tokenizer),
        GENERATION: _generation_config(bundle, tokenizer),
        PREPROCESSOR: {**_preprocessor_config(bundle.dims), PADS: bundle.pads_windows},
        **huggingface_tokenizer.documents(tokenizer, bundle.dims.n_text_ctx),
    }
    for name, document in documents.items():
        (place / name).write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    weights = {huggingface_name(name): weight.contiguous() for name, weight in bundle.weights.items()}
    save_file(weights, place / WEIGHTS, metadata={"format": "pt"})
    return [*(place / name for name in documents), place / WEIGHTS]


def huggingface_name(name: str) -> str:
    """Return the key of a weight in Hugging Face's state dict."""
    for ours, theirs in _RENAMES:
        name = name.replace(ours, theirs)
    return f"model.{name}"


def _openai_name(name: str) -> str:
    name = name.removeprefix("model.")
    for ours, theirs in reversed(_RENAMES):
        name = name.replace(theirs, ours)
    return name


def _weight_files(place: Path) -> list[Path]:
    if (place / WEIGHTS_INDEX).is_file():
        shards: dict[str, str] = json.loads((place / WEIGHTS_INDEX).read_bytes())["weight_map"]
        return [place / name for name in sorted(set(shards.values()))]
    if not (place / WEIGHTS).is_file():
        raise UserError(
            f"folder {place} has no {WEIGHTS}; expected safetensors, since other files may run code when loaded; "
            "download or convert them"
        )
    return [place / WEIGHTS]


def _document(place: Path, name: str) -> dict[str, Any]:
    """Read one of a folder's documents, which may be missing."""
    return json.loads((place / name).read_bytes()) if (place / name).is_file() else {}


def _dims(config: dict[str, Any]) -> ModelDimensions:
    return ModelDimensions(
        n_mels=config["num_mel_bins"],
        n_audio_ctx=config["max_source_positions"],
        n_audio_state=config["d_model"],
        n_audio_head=config["encoder_attention_heads"],
        n_audio_layer=config["encoder_layers"],
        n_vocab=config["vocab_size"],
        n_text_ctx=config["max_target_positions"],
        n_text_state=config["d_model"],
        n_text_head=config["decoder_attention_heads"],
        n_text_layer=config["decoder_layers"],
    )


def _config(bundle: Bundle, tokenizer: Tokenizer) -> dict[str, Any]:
    dims, eot = bundle.dims, tokenizer.eot
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "is_encoder_decoder": True,
        "activation_function": "gelu",
        "scale_embedding": False,
        "tie_word_embeddings": True,
        "d_model": dims.n_audio_state,
        "encoder_layers": dims.n_audio_layer,
        "encoder_attention_heads": dims.n_audio_head,
        "encoder_ffn_dim": 4 * dims.n_audio_state,
        "decoder_layers": dims.n_text_layer,
        "decoder_attention_heads": dims.n_text_head,
        "decoder_ffn_dim": 4 * dims.n_text_state,
        "num_hidden_layers": dims.n_audio_layer,
        "num_mel_bins": dims.n_mels,
        "max_source_positions": dims.n_audio_ctx,
        "max_target_positions": dims.n_text_ctx,
        "vocab_size": dims.n_vocab,
        "bos_token_id": eot,
        "eos_token_id": eot,
        "pad_token_id": eot,
        "decoder_start_token_id": tokenizer.sot,
        "torch_dtype": str(next(iter(bundle.weights.values())).dtype).removeprefix("torch."),
    }


def _generation_config(bundle: Bundle, tokenizer: Tokenizer) -> dict[str, Any]:
    never = (tokenizer.translate, tokenizer.transcribe, tokenizer.sot_lm, tokenizer.sot_prev, tokenizer.no_speech)
    document: dict[str, Any] = {
        "bos_token_id": tokenizer.eot,
        "eos_token_id": tokenizer.eot,
        "pad_token_id": tokenizer.eot,
        "decoder_start_token_id": tokenizer.sot,
        "prev_sot_token_id": tokenizer.sot_prev,
        "no_timestamps_token_id": tokenizer.no_timestamps,
        "is_multilingual": True,
        "lang_to_id": {f"<|{code}|>": tokenizer.language_id(code) for code in tokenizer.codes},
        "task_to_id": {"transcribe": tokenizer.transcribe, "translate": tokenizer.translate},
        "max_initial_timestamp_index": 50,  # a first timestamp within 1 s, as in OpenAI's decoder
        "max_length": bundle.dims.n_text_ctx,
        "return_timestamps": False,
        "begin_suppress_tokens": [*tokenizer.encode(" "), tokenizer.eot],
        "suppress_tokens": sorted({*non_speech_tokens(tokenizer), tokenizer.sot, *never}),
    }
    if bundle.alignment_heads:
        document["alignment_heads"] = [list(head) for head in bundle.alignment_heads]
    return document


def _preprocessor_config(dims: ModelDimensions) -> dict[str, Any]:
    num_frames = dims.n_audio_ctx * MS_PER_POSITION * SAMPLE_RATE // 1000 // HOP
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "feature_size": dims.n_mels,
        "sampling_rate": SAMPLE_RATE,
        "hop_length": HOP,
        "n_fft": N_FFT,
        "chunk_length": dims.n_audio_ctx * MS_PER_POSITION // 1000,
        "n_samples": num_frames * HOP,
        "nb_max_frames": num_frames,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
    }
