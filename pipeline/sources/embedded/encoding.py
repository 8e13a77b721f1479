"""Encode samples in the formats audio is published in; the same samples give the same bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import cast

import av
import numpy as np
import soundfile as sf  # pyright: ignore[reportMissingTypeStubs]
import soxr  # pyright: ignore[reportMissingTypeStubs]

from pipeline.audio import SAMPLE_RATE, Samples, to_flac, to_pcm16

BITEXACT = {"fflags": "+bitexact"}  # no random stream serials, no dates


@dataclass(frozen=True, slots=True, kw_only=True)
class Lossy:
    """One way to publish lossy audio, in FFmpeg's names."""

    container: str
    encoder: str
    rate: int
    layout: str
    bits_per_second: int
    options: tuple[tuple[str, str], ...]  # the encoder's fast ways: 2 to 4 times faster (measured 2026-11)


LOSSY = {
    "mp3": Lossy(
        container="mp3",
        encoder="libmp3lame",
        rate=44_100,
        layout="mono",
        bits_per_second=64_000,
        options=(("compression_level", "9"),),
    ),
    "ogg": Lossy(
        container="ogg",
        encoder="libopus",
        rate=48_000,
        layout="mono",
        bits_per_second=32_000,
        options=(("compression_level", "2"),),
    ),
    "m4a": Lossy(
        container="ipod",
        encoder="aac",
        rate=44_100,
        layout="stereo",
        bits_per_second=96_000,
        options=(("aac_coder", "fast"),),
    ),
}
FORMATS = (*LOSSY, "flac", "wav")


def encode(samples: Samples, audio_format: str) -> bytes:
    """Return 16 kHz mono samples as a file of one of `FORMATS`, which are also its suffixes."""
    if audio_format in LOSSY:
        return _encode_lossy(samples, LOSSY[audio_format])
    return to_flac(samples) if audio_format == "flac" else _to_wav(samples)


def _to_wav(samples: Samples) -> bytes:
    sink = io.BytesIO()
    sf.write(sink, to_pcm16(samples), SAMPLE_RATE, format="WAV", subtype="PCM_16")  # pyright: ignore[reportUnknownMemberType]
    return sink.getvalue()


def _encode_lossy(samples: Samples, codec: Lossy) -> bytes:
    resampled = soxr.resample(samples, SAMPLE_RATE, codec.rate)
    num_channels = 2 if codec.layout == "stereo" else 1
    planes = np.ascontiguousarray(np.tile(resampled, (num_channels, 1)))
    frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=codec.layout)
    frame.sample_rate = codec.rate
    frame.pts = 0  # without a clock the encoder's delay is not written down and becomes 23 ms of silence
    sink = io.BytesIO()
    with av.open(sink, "w", format=codec.container, options=BITEXACT) as out:
        options = dict(codec.options)
        added = out.add_stream(codec.encoder, rate=codec.rate, layout=codec.layout, options=options)
        stream = cast(av.AudioStream, added)
        stream.bit_rate = codec.bits_per_second
        out.mux([*stream.encode(frame), *stream.encode(None)])
    return sink.getvalue()
