"""Speak text with espeak-ng, loaded afresh for every utterance: the library carries global state between calls."""

from __future__ import annotations

import _ctypes
import ctypes
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import espeakng_loader
import numpy as np
import numpy.typing as npt
import soxr  # pyright: ignore[reportMissingTypeStubs]

from pipeline.audio import SAMPLE_RATE, Samples

# espeak/speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2
CHARS_UTF8 = 1
POS_CHARACTER = 1
PARAM_RATE = 1
PARAM_PITCH = 3

EDGE_FRAME = SAMPLE_RATE // 200  # 5 ms
EDGE_RATIO = 0.01  # of the loudest frame: espeak-ng pads with digital silence, so -40 dB only has to beat ringing

_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_one_at_a_time = threading.Lock()


def speak(text: str, *, voice: str, rate_wpm: int, pitch: int) -> Samples:
    """Return `text` spoken: 16 kHz mono in [-1, 1], cut to where the sound begins and ends.

    `voice` is a language with an optional variant (`sw+f2`); `pitch` is 0-99, 50 the voice's own.
    Equal arguments give equal samples in any process and after any history (2026-11: reusing a loaded
    library gave other samples, and other lengths, for the same words).
    """
    chunks: list[npt.NDArray[np.int16]] = []

    def collect(samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _SynthCallback(collect)  # held here: the library keeps only a bare pointer
    with _one_at_a_time, _fresh_library() as (library, native_rate):
        library.espeak_SetSynthCallback(callback)
        status = library.espeak_SetVoiceByName(voice.encode())
        assert status == 0, f"espeak-ng has no voice {voice!r}"
        library.espeak_SetParameter(PARAM_RATE, rate_wpm, 0)
        library.espeak_SetParameter(PARAM_PITCH, pitch, 0)
        utf8 = text.encode() + b"\0"
        library.espeak_Synth(utf8, len(utf8), 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
    assert any(map(np.any, chunks)), f"espeak-ng said nothing for {text!r}"
    native = np.concatenate(chunks).astype(np.float32) / 32768
    return _trim(soxr.resample(native, native_rate, SAMPLE_RATE))


@contextmanager
def _fresh_library() -> Generator[tuple[ctypes.CDLL, int]]:
    """Yield the library with its static variables as on disk, and its sampling rate; 6 ms a time."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        data_path = espeakng_loader.get_data_path().encode()
        rate = library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, data_path, 0)
        assert rate > 0, f"espeak-ng did not start: {rate}"
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # Initialize seeds from the clock
        yield library, rate
        library.espeak_Terminate()
    finally:
        _ctypes.dlclose(library._handle)


def _trim(samples: Samples) -> Samples:
    frames = samples[: len(samples) // EDGE_FRAME * EDGE_FRAME].reshape(-1, EDGE_FRAME)
    level = np.sqrt(np.mean(np.square(frames), axis=1))
    loud = np.flatnonzero(level > EDGE_RATIO * level.max())
    return samples[loud[0] * EDGE_FRAME : (loud[-1] + 1) * EDGE_FRAME]
