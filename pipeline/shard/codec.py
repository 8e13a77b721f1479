"""How a shard holds sound: a window as one file in memory, the same bytes for the same samples."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import av

from pipeline.audio import SAMPLE_RATE, SAMPLES_PER_MS, Samples, to_flac, to_pcm16
from pipeline.errors import UserError

BITEXACT = {"fflags": "+bitexact"}  # a fixed serial number, no dates and no version in an Ogg stream
MAX_COMPLEXITY = 10
PEAK = 2  # times its nominal rate: speech stays at it, white noise too (measured 2026-11)


class Codec(Protocol):
    """A way to write sound; `extension` names the member of a sample."""

    @property
    def extension(self) -> str:
        """Name of the sample's member."""
        ...

    @property
    def max_bytes_per_ms(self) -> float:
        """Bytes that a millisecond takes at most, on average over a shard."""
        ...

    def identity(self) -> dict[str, str | int]:
        """Return what its bytes depend on, besides the samples."""
        ...

    def encode(self, samples: Samples) -> bytes:
        """Encode 16 kHz mono samples."""
        ...


@dataclass(frozen=True, slots=True)
class Flac:
    """Lossless, 16 bits: what was decoded comes back bit for bit."""

    @property
    def extension(self) -> str:
        """Name of the sample's member."""
        return "flac"

    @property
    def max_bytes_per_ms(self) -> float:
        """Bytes of plain PCM; FLAC makes it about half of that."""
        return 2.0 * SAMPLES_PER_MS

    def identity(self) -> dict[str, str | int]:
        """Return its name."""
        return {"codec": self.extension}

    def encode(self, samples: Samples) -> bytes:
        """Encode 16 kHz mono samples."""
        return to_flac(samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opus:
    """Lossy, a fifth of FLAC's bytes, in Ogg; decoding gives as many samples as went in."""

    bits_per_second: int
    complexity: int

    def __post_init__(self) -> None:
        """Refuse what libopus has no such thing as."""
        if not 0 <= self.complexity <= MAX_COMPLEXITY:
            raise UserError(
                f"opus complexity {self.complexity} does not exist; expected 0 to {MAX_COMPLEXITY}; set shard.codec"
            )
        if not 6_000 <= self.bits_per_second <= 256_000:
            raise UserError(
                f"opus bits_per_second {self.bits_per_second} is none of libopus'; expected 6000 to 256000; "
                "set shard.codec"
            )

    @property
    def extension(self) -> str:
        """Name of the sample's member."""
        return "opus"

    @property
    def max_bytes_per_ms(self) -> float:
        """Bytes at the peak rate."""
        return PEAK * self.bits_per_second / 8_000

    def identity(self) -> dict[str, str | int]:
        """Return its name and settings."""
        return {"codec": self.extension, "bits_per_second": self.bits_per_second, "complexity": self.complexity}

    def encode(self, samples: Samples) -> bytes:
        """Encode 16 kHz mono samples."""
        frame = av.AudioFrame.from_ndarray(to_pcm16(samples)[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = 0  # without a clock the encoder's delay is not written down, and is heard as silence
        sink = io.BytesIO()
        with av.open(sink, "w", format="ogg", options=BITEXACT) as out:
            options = {"compression_level": str(self.complexity), "application": "voip"}
            stream = out.add_stream("libopus", rate=SAMPLE_RATE, layout="mono", options=options)
            stream.bit_rate = self.bits_per_second
            out.mux([*stream.encode(frame), *stream.encode(None)])
        return sink.getvalue()


def codec_of(identity: Mapping[str, Any]) -> Codec:
    """Return the codec that gave an identity."""
    if identity["codec"] != "opus":
        return Flac()
    return Opus(**{item.name: identity[item.name] for item in fields(Opus)})
