"""The sound of a sample: FLAC or Opus in memory to samples."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from soundfile import SoundFile

from model.mel import SAMPLE_RATE
from pipeline.errors import DataError


class FromStart(SoundFile):
    """A file that is read once from its start to its end: soundfile would look for places after reading, for 4 %."""

    def seekable(self) -> bool:
        """Tell soundfile to leave the place alone."""
        return False


def decode_sound(data: bytes) -> NDArray[np.float32]:
    """Return all samples at 16 kHz mono; DataError for another rate or more channels."""
    with FromStart(io.BytesIO(data)) as file:
        audio = np.asarray(file.read(file.frames, dtype="float32"), dtype=np.float32)
        if file.samplerate != SAMPLE_RATE or audio.ndim != 1:
            raise DataError(
                f"audio of {file.samplerate} Hz and shape {audio.shape} is foreign; expected {SAMPLE_RATE} Hz mono"
            )
    return audio
