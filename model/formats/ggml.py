"""whisper.cpp's file: sizes, mel filters, text tokens, then each weight with its shape; all little endian.

The layout is that of whisper.cpp's convert-pt-to-ggml.py. The program derives special tokens from the number of
tokens, so only OpenAI's vocabularies can be written.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from model.bundle import OPENAI_LANGUAGES, Bundle
from model.mel import mel_filters
from pipeline.errors import UserError

MAGIC = 0x67676D6C  # "ggml"
F32, F16 = 0, 1
# Small tensors that whisper.cpp adds to activations, and so wants in float32.
_ALWAYS_F32 = ("encoder.positional_embedding", "decoder.positional_embedding")
_COLUMNS = ("encoder.conv1.bias", "encoder.conv2.bias")  # written (n, 1), as they are added to channels of frames


def write(bundle: Bundle, path: str | Path) -> list[Path]:
    """Write the file: matrices in float16 where the bundle's weights are, else everything in float32."""
    if not bundle.is_openai_vocabulary:
        raise UserError(
            f"vocabulary of {bundle.dims.n_vocab} tokens cannot be written as ggml; "
            f"whisper.cpp knows only OpenAI's, of {sorted(OPENAI_LANGUAGES)}; export to huggingface instead"
        )
    is_half = bundle.weights["decoder.token_embedding.weight"].dtype == torch.float16
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("wb") as file:
        _write_header(file, bundle, F16 if is_half else F32)
        for name, weight in bundle.weights.items():
            _write_tensor(file, name, weight, is_half)
    return [Path(path)]


def _write_header(file: BinaryIO, bundle: Bundle, ftype: int) -> None:
    dims = bundle.dims
    _write_ints(
        file, MAGIC, dims.n_vocab, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer,
        dims.n_text_ctx, dims.n_text_state, dims.n_text_head, dims.n_text_layer, dims.n_mels, ftype,
    )  # fmt: skip
    filters = mel_filters(dims.n_mels, torch.device("cpu"))
    _write_ints(file, *filters.shape)
    file.write(filters.numpy().astype("<f4").tobytes())
    ranks = bundle.vocabulary.tokenizer().ranks
    _write_ints(file, len(ranks))
    for token in sorted(ranks, key=ranks.__getitem__):
        _write_ints(file, len(token))
        file.write(token)


def _write_tensor(file: BinaryIO, name: str, weight: Tensor, is_half: bool) -> None:
    array = weight.float().numpy()
    is_half = is_half and array.ndim > 1 and name not in _ALWAYS_F32
    array = array[:, None] if name in _COLUMNS else array
    encoded_name = name.encode()
    _write_ints(file, array.ndim, len(encoded_name), F16 if is_half else F32, *reversed(array.shape))
    file.write(encoded_name)
    file.write(np.ascontiguousarray(array, dtype="<f2" if is_half else "<f4").tobytes())


def _write_ints(file: BinaryIO, *numbers: int) -> None:
    file.write(struct.pack(f"<{len(numbers)}i", *numbers))
