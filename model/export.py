"""Write a model in another program's format, with a model card beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from model.bundle import Bundle
from model.checkpoint import Loaded
from model.formats import ctranslate2, ggml, huggingface, openai
from model.model_card import model_card
from model.pruning import keep_layers
from pipeline.errors import UserError, unknown_name

DTYPES = {"float32": torch.float32, "float16": torch.float16}
FORMATS = ("openai", "huggingface", "ctranslate2", "ggml")
README = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Say what to write: the format, the weights' precision, CTranslate2's own quantization, and how many layers."""

    format: str
    dtype: str = "float32"
    quantization: str | None = None
    encoder_layers: int | None = None
    decoder_layers: int | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise unknown_name("format", self.format, FORMATS)
        if self.dtype not in DTYPES:
            raise unknown_name("dtype", self.dtype, DTYPES)
        if self.quantization is not None and self.format != "ctranslate2":
            raise UserError(
                f"quantization {self.quantization!r} does not apply to {self.format}; "
                "only ctranslate2 has it; leave it out, or set dtype"
            )


def export(loaded: Loaded, checkpoint: str, options: ExportOptions, folder: str) -> list[Path]:
    """Write the model and its card to a folder and return the files; `checkpoint` is where it came from."""
    bundle = keep_layers(loaded.bundle(), options.encoder_layers, options.decoder_layers)
    place = Path(folder)
    files = _write(bundle.to(DTYPES[options.dtype]), options, place)
    (place / README).write_text(model_card(loaded, bundle.dims, checkpoint, options.format), encoding="utf-8")
    return [*files, place / README]


def _write(bundle: Bundle, options: ExportOptions, place: Path) -> list[Path]:
    match options.format:
        case "openai":
            return openai.write(bundle, place / "model.pt")
        case "huggingface":
            return huggingface.write(bundle, place)
        case "ctranslate2":
            return ctranslate2.write(bundle, place, options.quantization)
        case _:
            return ggml.write(bundle, place / "ggml-model.bin")
