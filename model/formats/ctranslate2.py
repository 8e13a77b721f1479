"""CTranslate2's folder, made by its own converter from a Hugging Face folder.

The converter needs the packages ctranslate2 and transformers, which only this export asks for.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from model.bundle import Bundle
from model.formats import huggingface, huggingface_tokenizer
from pipeline.errors import UserError

COPIED = (huggingface_tokenizer.TOKENIZER, huggingface.PREPROCESSOR)  # what faster-whisper reads beside the model


def write(bundle: Bundle, folder: str | Path, quantization: str | None = None) -> list[Path]:
    """Write the folder, its weights as they are or in CTranslate2's `quantization` (int8, float16 and others)."""
    try:
        from ctranslate2.converters import TransformersConverter
    except ImportError as error:
        raise UserError(
            "export to ctranslate2 needs its converter; expected the packages ctranslate2 and transformers; "
            "run pip install ctranslate2 transformers"
        ) from error
    with tempfile.TemporaryDirectory() as temporary:
        huggingface.write(bundle, temporary)
        converter = TransformersConverter(temporary, copy_files=list(COPIED))
        converter.convert(str(folder), quantization=quantization, force=True)
    return sorted(Path(folder).iterdir())
