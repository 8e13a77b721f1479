from __future__ import annotations

import numpy as np
import pytest

from pipeline.audio import SAMPLE_RATE, decode_bytes, sniff
from pipeline.sources.embedded.encoding import FORMATS, encode

CLICK = SAMPLE_RATE // 2


def burst() -> np.ndarray:
    samples = np.zeros(SAMPLE_RATE, dtype=np.float32)
    t = np.arange(SAMPLE_RATE // 10) / SAMPLE_RATE
    samples[CLICK : CLICK + len(t)] = 0.5 * np.sin(2 * np.pi * 800 * t)
    return samples


@pytest.mark.parametrize("audio_format", FORMATS)
def test_what_is_encoded_decodes_to_the_same_length_with_no_shift(audio_format: str) -> None:
    data = encode(burst(), audio_format)
    assert sniff(data) == {"m4a": "mp4"}.get(audio_format, audio_format)
    decoded = decode_bytes(data, max_duration_ms=10_000).samples
    assert abs(len(decoded) - SAMPLE_RATE) <= SAMPLE_RATE // 40  # AAC ends with a whole frame
    onset = np.flatnonzero(np.abs(decoded) > 0.2)[0]
    assert abs(onset - CLICK) < SAMPLE_RATE // 200


@pytest.mark.parametrize("audio_format", FORMATS)
def test_encoding_twice_gives_the_same_bytes(audio_format: str) -> None:
    assert encode(burst(), audio_format) == encode(burst(), audio_format)
